"""What database and receivers hold once everything is quiet: read once, compared by the report."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Sum

from changefeed.models import Endpoint, FeedLane, LaneState
from config.demo.standins.receipts import lines_of
from orders.models import Effect, Hold, Order, ScreeningDecision, Shipment, Stock
from orders.status import HoldOwner, ShipmentState

_WANTED = """
SELECT event_id::text FROM changefeed_change
WHERE changefeed_wants(%s::text[], %s::text[], kind, field)
"""
_LEDGER_DIFFERS = """
SELECT count(*) FROM orders_stock stock LEFT JOIN (
    SELECT stock_id, sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved
    FROM orders_stockentry GROUP BY stock_id
) entries ON entries.stock_id = stock.id
WHERE stock.on_hand <> coalesce(entries.on_hand, 0)
   OR stock.reserved <> coalesce(entries.reserved, 0)
"""
_OVERSOLD = "SELECT count(*) FROM orders_stock WHERE reserved > on_hand OR reserved < 0"
_SCREENING = (
    "SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY took_us), 0) / 1000.0"
    f" FROM {ScreeningDecision._meta.db_table}"
)
# What the warehouse calls the states of a parcel that it was told of.
STAGES = {
    ShipmentState.RELEASED: "waiting",
    ShipmentState.PICKING: "picked",
    ShipmentState.SHIPPED: "shipped",
    ShipmentState.DELIVERED: "delivered",
}


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiving system against the log of changes."""

    name: str
    committed: int
    received: int
    lost: int
    unknown: int
    repeated: int
    altered: int
    disordered: int
    forged: int
    turned_away: int


@dataclass(slots=True)
class Figures:
    """Everything the report compares; counts unless a name says otherwise."""

    states: dict[str, str] = field(default_factory=dict)
    lanes: dict[str, str] = field(default_factory=dict)
    hold_reasons: dict[str, set[str]] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    parcels: int = 0
    parcels_released: int = 0
    parcel_stages: Counter[str] = field(default_factory=Counter)
    waybills_missing: int = 0
    waybills_repeated: int = 0
    warehouse: dict[str, Any] = field(default_factory=dict)
    releases_received: int = 0
    oversold: int = 0
    ledger_differs: int = 0
    units_reserved: int = 0
    receivers: list[Receiver] = field(default_factory=list)
    parked: int = 0
    screening_p99_ms: float = 0.0


def gather(stand_ins: dict[str, Any], home: Path) -> Figures:
    """Read everything; `stand_ins` is their `/state`, `home` where they keep their receipts."""
    figures = Figures()
    for number, state, lane in Order.objects.values_list("number", "state", "lane"):
        figures.states[number], figures.lanes[number] = state, lane
    reasons: dict[str, set[str]] = defaultdict(set)
    for number, owner, rule in Hold.objects.values_list("order__number", "owner", "rule_key"):
        reasons[number].add(rule if owner == HoldOwner.RULE else owner)
    figures.hold_reasons = dict(reasons)
    figures.effects = Counter(Effect.objects.values_list("key", flat=True))
    _gather_parcels(figures)
    figures.warehouse = stand_ins["warehouse"]
    figures.releases_received = stand_ins["wms"]["kinds"].get("shipment.released", 0)
    figures.oversold = _number(_OVERSOLD)
    figures.ledger_differs = _number(_LEDGER_DIFFERS)
    figures.units_reserved = Stock.objects.aggregate(units=Sum("reserved"))["units"] or 0
    figures.receivers = [
        _receiver(endpoint, stand_ins[endpoint.name.lower()], home)
        for endpoint in Endpoint.objects.order_by("pk")
        if endpoint.name.lower() in stand_ins
    ]
    figures.parked = FeedLane.objects.filter(state=LaneState.PARKED).count()
    figures.screening_p99_ms = float(_number(_SCREENING))
    return figures


def _gather_parcels(figures: Figures) -> None:
    waybills: Counter[str] = Counter()
    active = Shipment.objects.exclude(state=ShipmentState.CANCELLED)
    for state, waybill, released_at in active.values_list("state", "waybill", "released_at"):
        figures.parcels += 1
        if released_at is None:
            continue
        figures.parcels_released += 1
        figures.parcel_stages[STAGES.get(ShipmentState(state), state)] += 1
        if state in (ShipmentState.SHIPPED, ShipmentState.DELIVERED):
            waybills[waybill] += 1
    figures.waybills_missing = waybills.pop("", 0)
    figures.waybills_repeated = sum(count - 1 for count in waybills.values())


def _receiver(endpoint: Endpoint, state: dict[str, Any], home: Path) -> Receiver:
    with connection.cursor() as cursor:
        cursor.execute(_WANTED, (endpoint.kinds, endpoint.fields))
        committed = {event_id for (event_id,) in cursor.fetchall()}
    received = {line["id"] for line in lines_of(home / f"{endpoint.name.lower()}.jsonl")}
    return Receiver(
        name=endpoint.name,
        committed=len(committed),
        received=len(received),
        lost=len(committed - received),
        unknown=len(received - committed),
        repeated=state["repeated"],
        altered=len(state["altered"]),
        disordered=len(state["disordered"]),
        forged=state["forged"],
        turned_away=state["turned_away"],
    )


def _number(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
