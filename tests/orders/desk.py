"""Ready-made cases for the desk's tests: people signed in, and orders that are held."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, User
from django.test import Client

from config.roles import grant
from orders.actors import Actor
from orders.lifecycle.placing import place_order
from orders.models import Hold, Order
from rules import labels, live
from tests.factories import make_user, order_document

SHOP = Actor("key:shop", "shop")
XINJIANG = {"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"}
COUPON = [{"code": "MAN299", "type": "满299减100", "discount": "100.00"}]


def person(group: str, **fields: Any) -> tuple[User, Client]:
    """A member of a group with the permissions that roles.py gives, and their signed-in client."""
    if not Group.objects.filter(name=group).exists():
        for app in ("orders", "rules", "returns", "changefeed"):
            grant(app)
    user = make_user(group, **fields)
    client = Client()
    client.force_login(user)
    return user, client


def held_order(number: str = "", **changes: Any) -> Hold:
    """The open hold of an order from 新疆 with the coupon that complaints came from."""
    document = order_document(
        number,
        **{
            "lines": [("TEA-1", 4, "99.00")],
            "coupons": COUPON,
            **changes,
            "ship_to": {**XINJIANG, **changes.get("ship_to", {})},
        },
    )
    placed = place_order(document, actor=SHOP)
    assert not placed.errors, placed.errors
    return Hold.objects.select_related("order").get(order__number=placed.number, owner="rule")


def clean_order(number: str = "", **changes: Any) -> Order:
    """An ordinary order that nothing holds."""
    placed = place_order(order_document(number, **changes), actor=SHOP)
    assert not placed.errors, placed.errors
    return Order.objects.get(number=placed.number)


@contextmanager
def known_rules() -> Iterator[None]:
    """Rules and labels as they are at hand: looking at them again would depend on the clock."""
    with (
        mock.patch.object(live, "RECHECK_SECONDS", 3600.0),
        mock.patch.object(live, "STALE_SECONDS", 3600.0),
        mock.patch.object(labels, "FRESH_SECONDS", 3600.0),
    ):
        yield
