"""Writing a batch of checked orders: customers by one upsert, everything else appended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from orders.intake.checks import CheckedOrder
from orders.intake.holding import HoldDraft
from orders.intake.reading import CUSTOMER_COLUMNS, KnownCustomer
from orders.intake.views import FactLine
from orders.models import ScreeningDecision
from orders.screening import Screened
from orders.sql import Json, Rows, Statement, append, records
from orders.status import HoldState

_UPSERT_CUSTOMERS = f"""
INSERT INTO orders_customer AS c (public_id, external_id, name, phone, phone_hash, registered_at,
    crm_grade, is_employee, version)
SELECT gen_random_uuid(), d.external_id, d.name, d.phone, d.phone_hash, d.registered_at,
    d.crm_grade, false, 1
FROM json_to_recordset(%s::json) AS d(external_id text, name text, phone text,
    phone_hash text, registered_at timestamptz, crm_grade text)
ORDER BY d.external_id
ON CONFLICT (external_id) DO UPDATE SET
    name = CASE WHEN c.name = '' THEN excluded.name ELSE c.name END,
    phone = CASE WHEN c.phone = '' THEN excluded.phone ELSE c.phone END,
    phone_hash = CASE WHEN c.phone_hash = '' THEN excluded.phone_hash ELSE c.phone_hash END,
    registered_at = coalesce(c.registered_at, excluded.registered_at),
    crm_grade = CASE WHEN excluded.crm_grade = '' THEN c.crm_grade ELSE excluded.crm_grade END
RETURNING {CUSTOMER_COLUMNS}
"""

_UPSERT_COLUMNS = ("external_id", "name", "phone", "phone_hash", "registered_at", "crm_grade")

_ORDER_COLUMNS = (
    *("id", "number", "channel_id", "customer_id", "state", "version", "source"),
    *("idempotency_key", "body_hash", "placed_at", "paid_at", "received_at", "dispatch_after"),
    *("currency", "goods_total", "discount_total", "shipping_total", "grand_total", "coupons"),
    *("urgent", "presale", "livestream_room", "parent_number", "gift_for_number"),
    *("merged_into_number", "deliveries", "ship_name", "ship_phone", "ship_phone_masked"),
    *("ship_phone_hash", "province", "city", "district", "street", "address_key"),
    *("buyer_remark", "seller_remark", "invoice_title", "delivery_slot", "tags", "warehouse_id"),
    *("courier_id", "packaging_id", "lane", "print_priority", "manual_slots"),
    "stock_warehouse_id",
)
_LINE_COLUMNS = (
    *("order_id", "position", "sku_id", "quantity", "unit_price", "settlement_price", "is_gift"),
)
_HOLD_COLUMNS = (
    *("order_id", "owner", "rule_key", "rule_name", "ruleset_version", "reason", "risk"),
    *("inputs", "fingerprint", "state", "opened_at", "due_at", "resolved_by", "resolution"),
    "follow_up",
)
_DECISION_COLUMNS = (
    *("order_id", "at", "cause", "ruleset_version", "list_versions", "facts", "outcome"),
    *("shadow", "took_us"),
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """Everything about one order that intake writes."""

    id: int
    checked: CheckedOrder
    customer_id: int
    source: str
    key: str
    state: str
    screened: Screened
    outcome: dict[str, object]
    holds: list[HoldDraft]
    stock_warehouse: int | None
    dispatch_after: datetime | None
    received_at: datetime
    due_at: datetime
    lines: list[FactLine]


def as_json(value: Any) -> Json:
    """JSON text; decimals and dates as text, sets as sorted lists."""
    return Json(orjson.dumps(value, default=_plain).decode())


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def upsert_customers(
    orders: Sequence[CheckedOrder], known: Mapping[str, KnownCustomer]
) -> Statement | None:
    """Adds new customers and fills blanks of known ones; its rows are CUSTOMER_COLUMNS.

    What an order says never overwrites what is on record, except the grade, which platforms
    send fresh. A masked name or phone is not taken over. None when there is nothing to write.
    """
    wanted: dict[str, tuple[Any, ...]] = {}
    for order in orders:
        customer = order.document.customer
        row = (
            customer.external_id,
            "" if "*" in customer.name else customer.name,
            order.customer_phone.number,
            order.customer_phone.hash,
            customer.registered_at,
            customer.crm_grade,
        )
        on_record = known.get(customer.external_id)
        if on_record is None or _fills(on_record, row):
            wanted[customer.external_id] = _joined(wanted.get(customer.external_id), row)
    if not wanted:
        return None
    return (_UPSERT_CUSTOMERS, records(_UPSERT_COLUMNS, wanted.values()))


def _joined(earlier: tuple[Any, ...] | None, later: tuple[Any, ...]) -> tuple[Any, ...]:
    """Two orders of one batch speak of one customer: the first word counts, of grades the last."""
    if earlier is None:
        return later
    contact = (first or second for first, second in zip(earlier[:5], later[:5], strict=True))
    return (*contact, later[5] or earlier[5])


def _fills(known: KnownCustomer, row: tuple[Any, ...]) -> bool:
    """Whether the row says anything that may be new for a customer on record."""
    return bool(
        (not known.is_complete and any(row[1:5])) or (row[5] and row[5] != known.buyer.crm_grade)
    )


def store_orders(news: Sequence[NewOrder], *, then: Sequence[Statement] = ()) -> list[Rows]:
    """Append orders, lines, decisions and holds; the rows of the statements that run `then`.

    Lines go in before their orders: see orders.triggers.
    """
    holds = [row for new in news for row in _hold_rows(new)]
    return append(
        ("orders_orderline", _LINE_COLUMNS, [row for new in news for row in _line_rows(new)]),
        ("orders_order", _ORDER_COLUMNS, [_order_row(new) for new in news]),
        ("orders_screeningdecision", _DECISION_COLUMNS, [_decision_row(new) for new in news]),
        *([("orders_hold", _HOLD_COLUMNS, holds)] if holds else []),
        then=then,
    )


def _line_rows(new: NewOrder) -> list[tuple[Any, ...]]:
    return [
        (
            new.id,
            position,
            line.sku.id,
            line.quantity,
            line.unit_price,
            line.settlement_price,
            line.is_gift,
        )
        for position, line in enumerate(new.lines, start=1)
    ]


def _order_row(new: NewOrder) -> tuple[Any, ...]:
    order, screened = new.checked, new.screened
    document, ship_to, place = order.document, order.document.ship_to, order.place
    priority = screened.slot("print_priority")
    return (
        *(new.id, document.number, order.channel_id, new.customer_id, new.state, 1, new.source),
        *(new.key, order.body_hash, document.placed_at, document.paid_at, new.received_at),
        *(new.dispatch_after, document.currency, document.goods_total, document.discount_total),
        *(document.shipping_total, document.grand_total),
        as_json([coupon.model_dump(mode="json") for coupon in document.coupons]),
        *(document.urgent, document.presale, document.livestream_room or ""),
        *(document.parent or "", document.gift_for or "", ""),
        as_json([delivery.model_dump(mode="json") for delivery in document.deliveries]),
        *(ship_to.name, order.phone.number, order.phone.masked, order.phone.hash),
        *(place.province, place.city, place.district, ship_to.street, order.address_key),
        *(document.buyer_remark, document.seller_remark, document.invoice_title),
        *(document.delivery_slot or "", list(screened.decision.tags)),
        *(screened.assigned.get(slot) for slot in ("warehouse", "courier", "packaging")),
        *(screened.slot("lane"), int(priority) if priority.isdecimal() else None, []),
        new.stock_warehouse,
    )


def _decision_row(new: NewOrder) -> tuple[Any, ...]:
    screened = new.screened
    return (
        *(new.id, new.received_at, ScreeningDecision.Cause.INTAKE.value),
        *(screened.ruleset_version, as_json(dict(screened.list_versions))),
        *(as_json(screened.facts_json), as_json(new.outcome)),
        *(None if screened.shadow is None else as_json(screened.shadow), screened.took_us),
    )


def _hold_rows(new: NewOrder) -> list[tuple[Any, ...]]:
    return [
        (
            *(new.id, hold.owner.value, hold.rule_key, hold.rule_name),
            *(new.screened.ruleset_version or None, hold.reason, hold.risk, as_json(hold.inputs)),
            *(hold.fingerprint, HoldState.OPEN.value, new.received_at, new.due_at, "", "", ""),
        )
        for hold in new.holds
    ]
