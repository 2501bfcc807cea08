"""Tables of the orders app, one module per noun."""

from orders.models.catalogue import (
    Channel,
    ChannelCoupon,
    Courier,
    Packaging,
    SettlementPrice,
    Sku,
    Warehouse,
)
from orders.models.customers import Customer, ReturnRecord
from orders.models.holds import Hold, Waiver
from orders.models.orders import Effect, Order, OrderLine, TimelineEntry
from orders.models.screening import RuleDay, ScreeningDecision
from orders.models.shipments import Shipment, ShipmentLine, StopRequest
from orders.models.stock import Stock, StockEntry

__all__ = [
    "Channel",
    "ChannelCoupon",
    "Courier",
    "Customer",
    "Effect",
    "Hold",
    "Order",
    "OrderLine",
    "Packaging",
    "ReturnRecord",
    "RuleDay",
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
