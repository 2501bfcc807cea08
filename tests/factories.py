"""Rows and documents for tests, made directly and with sensible defaults."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from orders.models import (
    Channel,
    Courier,
    Packaging,
    SettlementPrice,
    Sku,
    Stock,
    StockEntry,
    Warehouse,
)
from orders.status import StockMove

_numbers = itertools.count(1)


def make_user(group: str = "", **fields: Any) -> User:
    """A staff user in the named group."""
    fields.setdefault("username", f"{group or 'user'}-{next(_numbers)}")
    user = User.objects.create_user(is_staff=True, password="password-for-tests", **fields)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def make_world() -> None:
    """Channels, warehouses, couriers, packagings and a few SKUs with stock at EAST-1."""
    for code in ("douyin", "tmall", "app"):
        Channel.objects.get_or_create(code=code, defaults={"name": code})
    for priority, code in enumerate(("EAST-1", "COLD-1", "SOUTH-1"), start=1):
        Warehouse.objects.get_or_create(code=code, defaults={"name": code, "priority": priority})
    for code in ("SF", "SF-COLD", "ZTO", "JD"):
        Courier.objects.get_or_create(code=code, defaults={"name": code})
    for code in ("carton", "insulated-box", "fragile-box", "live-box", "gift-box"):
        Packaging.objects.get_or_create(code=code, defaults={"name": code})
    make_sku("TEA-1")
    make_sku("LENS-85", category="lens", high_price_threshold=Decimal("2000"))
    make_sku("MILK-900", category="milk_powder", temperature="chilled")


def make_sku(
    code: str, *, units: int = 1000, warehouses: tuple[str, ...] = (), **fields: Any
) -> Sku:
    """A SKU with `units` on hand in each named warehouse (EAST-1 and COLD-1 by default)."""
    sku, created = Sku.objects.get_or_create(code=code, defaults={"name": code, **fields})
    if created:
        for name in warehouses or ("EAST-1", "COLD-1"):
            warehouse = Warehouse.objects.get(code=name)
            stock = Stock.objects.create(sku=sku, warehouse=warehouse, on_hand=units)
            if units:
                StockEntry.objects.create(
                    stock=stock, move=StockMove.RECEIVE, on_hand_delta=units, actor="system"
                )
    return sku


def settle(channel: str, sku: str, price: str) -> SettlementPrice:
    """A settlement price of a channel."""
    return SettlementPrice.objects.create(
        channel=Channel.objects.get(code=channel),
        sku=Sku.objects.get(code=sku),
        price=Decimal(price),
    )


def line_document(sku: str, quantity: int, unit_price: str) -> dict[str, Any]:
    """One line of an order document."""
    return {"sku": sku, "quantity": quantity, "unit_price": unit_price, "is_gift": False}


def order_document(number: str = "", **changes: Any) -> dict[str, Any]:
    """An ordinary order document whose amounts add up; `changes` replace top-level fields.

    `lines` given as (sku, quantity, unit price) triples; totals follow from lines, coupons and
    shipping_total unless given.
    """
    now = timezone.now()
    lines = [
        item if isinstance(item, dict) else line_document(*item)
        for item in changes.pop("lines", [("TEA-1", 1, "99.00")])
    ]
    goods = sum((Decimal(line["unit_price"]) * line["quantity"] for line in lines), Decimal(0))
    discount = sum(Decimal(coupon["discount"]) for coupon in changes.get("coupons", []))
    shipping = Decimal(changes.get("shipping_total", "0.00"))
    document: dict[str, Any] = {
        "number": number or f"T-{next(_numbers):06d}",
        "channel": "douyin",
        "placed_at": (now - timedelta(minutes=10)).isoformat(),
        "paid_at": (now - timedelta(minutes=9)).isoformat(),
        "currency": "CNY",
        "customer": {
            "external_id": f"C-{next(_numbers)}",
            "name": "林婷",
            "phone": "+8613800000000",
            "registered_at": (now - timedelta(days=400)).isoformat(),
            "crm_grade": "B",
        },
        "ship_to": {
            "name": "林婷",
            "phone": "+8613800000000",
            "province": "浙江省",
            "city": "杭州市",
            "district": "余杭区",
            "street": f"文一西路 {next(_numbers)} 号",
        },
        "lines": lines,
        "goods_total": f"{goods:.2f}",
        "discount_total": f"{discount:.2f}",
        "shipping_total": f"{shipping:.2f}",
        "grand_total": f"{goods - discount + shipping:.2f}",
    }
    for key, value in changes.items():
        merge = isinstance(value, dict) and isinstance(document.get(key), dict)
        document[key] = {**document[key], **value} if merge else value
    return document
