"""Addresses of the orders API, under /api/v1/."""

from django.urls import path

from orders.api.intake import BulkView
from orders.api.orders import OrdersView

urlpatterns = [
    path("orders/", OrdersView.as_view(), name="orders"),
    path("orders/bulk/", BulkView.as_view(), name="orders-bulk"),
]
