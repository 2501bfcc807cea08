"""Tables of the orders app, one module per noun."""

from orders.models.catalogue import Channel, Courier, Packaging, SettlementPrice, Sku, Warehouse
from orders.models.customers import Customer, ReturnRecord
from orders.models.holds import Hold, Waiver
from orders.models.orders import Effect, Order, OrderLine, TimelineEntry
from orders.models.screening import ScreeningDecision
from orders.models.shipments import Shipment, ShipmentLine, StopRequest
from orders.models.stock import Stock, StockEntry

__all__ = [
    "Channel",
    "Courier",
    "Customer",
    "Effect",
    "Hold",
    "Order",
    "OrderLine",
    "Packaging",
    "ReturnRecord",
    "ScreeningDecision",
    "SettlementPrice",
    "Shipment",
    "ShipmentLine",
    "Sku",
    "Stock",
    "StockEntry",
    "StopRequest",
    "TimelineEntry",
    "Waiver",
    "Warehouse",
]
