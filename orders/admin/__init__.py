"""The staff's door to orders: the quarantine board, order pages, stock, catalogue, people."""

from orders.admin import (
    catalogue,
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
    "customers",
    "decisions",
    "holds",
    "orders",
    "people",
    "shipments",
    "stock",
]
