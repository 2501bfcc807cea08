"""The staff's door to orders: the quarantine board, order pages, stock, catalogue, people."""

from orders.admin import (
    catalogue,
    coupons,
    customers,
    decisions,
    holds,
    orders,
    people,
    shipments,
    stock,
)

__all__ = [
    "catalogue",
    "coupons",
    "customers",
    "decisions",
    "holds",
    "orders",
    "people",
    "shipments",
    "stock",
]
