"""The collection of orders: POST takes one in, GET lists them."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import intake
from orders.api.base import ScopedView


class OrdersView(ScopedView):
    """Orders of every channel."""

    scopes: ClassVar[dict[str, str]] = {"POST": "orders:write"}

    @intake.PLACE_SCHEMA
    def post(self, request: Request) -> Response:
        return intake.place(request)
