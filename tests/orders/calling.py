"""A caller of the API as other systems are: with a key, over the whole request path."""

import itertools
import json
from typing import Any

from django.test import Client

from changefeed.keys import create_key
from orders.models import Customer, Order, StockEntry

_numbers = itertools.count(1)
EVERY_ORDER_SCOPE = ("orders:read", "orders:write", "holds:release", "shipments:write")


class Caller:
    """An API key of its own and a client that sends it."""

    def __init__(self, *scopes: str, source: str = "shop", language: str = "en") -> None:
        self.key, self.plain = create_key(
            f"{source}-{next(_numbers)}",
            source=source,
            scopes=list(scopes or EVERY_ORDER_SCOPE),
        )
        self.client = Client(
            raise_request_exception=False,
            headers={"Authorization": f"Api-Key {self.plain}", "Accept-Language": language},
        )

    @property
    def actor(self) -> str:
        return f"key:{self.key.name}"

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=_named(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("post", path, body, headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def place(self, document: Any, **headers: str) -> Any:
        return self.post("orders/", document, **headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        send = getattr(self.client, method)
        return send(
            f"/api/v1/{path}", data, content_type="application/json", headers=_named(headers)
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def refused(answer: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem document of a refusal, checked for its form."""
    assert answer.status_code == status, answer.content.decode()
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == f"urn:sluice:{code}" if code else problem["type"]
    return problem


def fields_of(problem: dict[str, Any]) -> set[tuple[str, str]]:
    """Which fields were named, with their codes."""
    assert all(error["message"] for error in problem["errors"])
    return {(error["field"], error["code"]) for error in problem["errors"]}


def nothing_stored() -> bool:
    """Whether no order, customer or reservation exists."""
    return not (
        Order.objects.exists()
        or Customer.objects.exists()
        or StockEntry.objects.filter(move="reserve").exists()
    )
