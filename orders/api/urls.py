"""Addresses of the orders API, under /api/v1/."""

from django.urls import path

from orders.api.acts import CancelView, ReleaseView, UpholdView
from orders.api.intake import BulkView
from orders.api.orders import DecisionsView, OrdersView, OrderView, TimelineView
from orders.api.shipments import ShipmentEventsView

ORDER = "orders/<str:number>/"
HOLD = f"{ORDER}holds/<int:hold_id>/"

urlpatterns = [
    path("orders/", OrdersView.as_view(), name="orders"),
    path("orders/bulk/", BulkView.as_view(), name="orders-bulk"),
    path(ORDER, OrderView.as_view(), name="order"),
    path(f"{ORDER}timeline/", TimelineView.as_view(), name="order-timeline"),
    path(f"{ORDER}decisions/", DecisionsView.as_view(), name="order-decisions"),
    path(f"{ORDER}cancel/", CancelView.as_view(), name="order-cancel"),
    path(f"{HOLD}release/", ReleaseView.as_view(), name="hold-release"),
    path(f"{HOLD}uphold/", UpholdView.as_view(), name="hold-uphold"),
    path("shipments/<str:number>/events/", ShipmentEventsView.as_view(), name="shipment-events"),
]
