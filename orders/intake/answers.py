"""What became of the documents handed in: the answer of one, and those of orders known already."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from orders.errors import FieldError
from orders.sql import Rows, Statement, gather

_HOLD_NAMES = ("id", "owner", "rule", "reason", "risk", "state", "due_at")
_HOLDS = """
SELECT order_id, id, owner, rule_key, reason, risk, state, due_at FROM orders_hold
WHERE order_id = ANY(%s::bigint[]) ORDER BY id
"""
_STANDING = """
SELECT o.id, o.number, o.state, o.version,
    (SELECT d.outcome FROM orders_screeningdecision d WHERE d.order_id = o.id
        ORDER BY d.at, d.id LIMIT 1)
FROM orders_order o WHERE o.id = ANY(%s::bigint[])
"""


class Outcome(StrEnum):
    CREATED = "created"
    REPLAYED = "replayed"
    CONFLICT = "conflict"
    INVALID = "invalid"


@dataclass(slots=True)
class Placed:
    """What became of one document; `errors` is empty unless it was refused."""

    outcome: Outcome
    number: str = ""
    state: str = ""
    version: int = 0
    decision: dict[str, Any] | None = None
    holds: list[dict[str, Any]] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)


def holds_of(order_ids: Sequence[int]) -> Statement:
    """Reads the holds of orders, for `holds_in`."""
    return (_HOLDS, list(order_ids))


def holds_in(rows: Rows) -> dict[int, list[dict[str, Any]]]:
    """Holds as intake answers them, by order id."""
    found: dict[int, list[dict[str, Any]]] = {}
    for order_id, *values in rows:
        found.setdefault(order_id, []).append(dict(zip(_HOLD_NAMES, values, strict=True)))
    return found


def replays(order_ids: Sequence[int]) -> dict[int, Placed]:
    """The answers of known orders, by their ids: how they stand now, and what intake decided."""
    standing, read = gather((_STANDING, list(order_ids)), holds_of(order_ids))
    holds = holds_in(read)
    return {
        key: Placed(
            Outcome.REPLAYED,
            number,
            state,
            version,
            # Django has its connections hand JSON over as text.
            None if outcome is None else orjson.loads(outcome),
            holds.get(key, []),
        )
        for key, number, state, version, outcome in standing
    }
