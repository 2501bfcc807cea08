"""What the tests of lifecycle acts share: orders placed the real way, and what is seen after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Sum

from changefeed.models import Change
from orders.actors import Actor, user_actor
from orders.lifecycle.placing import Outcome, place_order
from orders.models import (
    Customer,
    Effect,
    Hold,
    Order,
    OrderLine,
    ReturnRecord,
    ScreeningDecision,
    Shipment,
    ShipmentLine,
    Sku,
    Stock,
    StockEntry,
    StopRequest,
    TimelineEntry,
    Waiver,
    Warehouse,
)
from rules import live
from rules.lifecycle import import_document, publish
from tests.factories import make_user, order_document

SHOP = Actor("key:shop", "shop")
WMS = Actor("key:wms", "wms")
CRM = Actor("key:crm", "crm")

TABLES: tuple[Any, ...] = (
    *(Customer, Effect, Hold, Order, OrderLine, ReturnRecord, ScreeningDecision, Shipment),
    *(ShipmentLine, Sku, Stock, StockEntry, StopRequest, TimelineEntry, Waiver, Change),
)


def placed(number: str = "", **changes: Any) -> Order:
    """An order taken in through intake."""
    document = order_document(number, **changes)
    answer = place_order(document, actor=SHOP)
    assert answer.outcome is Outcome.CREATED, answer.errors
    return Order.objects.get(number=document["number"])


def held(number: str = "", **changes: Any) -> tuple[Order, Hold]:
    """An order that the 新疆 coupon rule holds, and its hold."""
    order = placed(number, **({"ship_to": XINJIANG, "coupons": [COUPON]} | changes))
    return order, order.holds.get()


XINJIANG = {
    "province": "新疆维吾尔自治区",
    "city": "乌鲁木齐市",
    "district": "天山区",
    "street": "解放北路 1 号",
}
COUPON = {"code": "LIVE10", "type": "满299减100", "discount": "10.00"}
TOO_MANY = [{"code": f"C-{number}", "type": "店铺券", "discount": "1.00"} for number in range(1, 5)]


def supervisor() -> Actor:
    return user_actor(make_user("supervisor"))


def again(order: Order) -> Any:
    """The order as the database has it now; untyped, as a missing relation fails the test."""
    return Order.objects.get(pk=order.pk)


def state(order: Order) -> str:
    return str(Order.objects.values_list("state", flat=True).get(pk=order.pk))


def parcels(order: Order) -> list[tuple[str, str]]:
    """(number, state) of the order's parcels, oldest first."""
    return list(Shipment.objects.filter(order=order).order_by("id").values_list("number", "state"))


def now_seq() -> int:
    """The last sequence number of the feed."""
    return Change.objects.order_by("-seq").values_list("seq", flat=True).first() or 0


def the_change(**wanted: Any) -> Any:
    """The only change of that description."""
    return Change.objects.get(**wanted)


def feed(order: Order, after: int = 0) -> list[str]:
    """Kinds of the order's changes, in order."""
    found = Change.objects.filter(subject_kind="order", subject_id=order.number, seq__gt=after)
    return list(found.order_by("seq").values_list("kind", flat=True))


def acts(order: Order) -> list[tuple[str, str]]:
    """(act, actor) of the order's timeline entries, in order."""
    return list(order.timeline.order_by("id").values_list("act", "actor"))


def stock(sku: str, warehouse: str = "EAST-1") -> tuple[int, int]:
    """(on hand, reserved)."""
    row = Stock.objects.get(sku__code=sku, warehouse__code=warehouse)
    return row.on_hand, row.reserved


def ledger(order: Order) -> list[tuple[str, str, str, int, int]]:
    """(move, SKU, warehouse, change on hand, change reserved) of the order's entries, in order."""
    entries = StockEntry.objects.filter(order_number=order.number).order_by("id")
    columns = ("move", "stock__sku__code", "stock__warehouse__code")
    return list(entries.values_list(*columns, "on_hand_delta", "reserved_delta"))


def assert_ledger_agrees() -> None:
    """Every stock row is the sum of its ledger entries."""
    for row in Stock.objects.annotate(
        entered=Sum("entries__on_hand_delta"), kept=Sum("entries__reserved_delta")
    ):
        assert (row.on_hand, row.reserved) == (row.entered or 0, row.kept or 0), row


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of the orders app and of the feed."""
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in TABLES}


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Fails when the block leaves any trace in the database."""
    before = everything()
    yield
    assert everything() == before


def publish_rules(*rules: dict[str, Any], actor: str = "system") -> None:
    """Make these rules, and paid → dispatch, the live ones; every rule may leave out its form."""
    document = {
        "rules": [
            {"priority": 10, "name": rule["key"], "on_missing": "no_match", "status": "live"}
            | {"valid_from": None, "valid_until": None}
            | rule
            for rule in (*rules, PAID)
        ]
    }
    publish(import_document(document, actor, note="for a test"), actor, "for a test")
    live.forget()


PAID = {
    "key": "paid",
    "layer": "dispatch",
    "when": [[{"fact": "order.is_paid", "op": "is_true"}]],
    "then": [{"do": "dispatch"}],
}


def hold_rule(
    key: str, fact: str, op: str, value: Any = None, priority: int = 10
) -> dict[str, Any]:
    """A rule that holds on one condition."""
    row = {"fact": fact, "op": op} | ({} if value is None else {"value": value})
    return {
        "key": key,
        "layer": "intercept",
        "priority": priority,
        "when": [[row]],
        "then": [{"do": "hold", "reason": key, "risk": "high"}],
    }


def assign_rule(key: str, value: str, slot: str = "warehouse", **row: Any) -> dict[str, Any]:
    """A rule that fills one slot; for every order unless a row is given."""
    wanted = row or {"fact": "order.line_count", "op": "gte", "value": 1}
    return {
        "key": key,
        "layer": "allocate",
        "when": [[wanted]],
        "then": [{"do": "assign", "slot": slot, "value": value}],
    }


def warehouse(code: str) -> Warehouse:
    return Warehouse.objects.get(code=code)
