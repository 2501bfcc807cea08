"""What orders say about rules and versions that only watched: counted, with the latest examples."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from orders.models import ScreeningDecision
from rules.history import ShadowSeen

LOOKED_AT = 100_000
"""At most so many of the latest orders of the period are looked at, lest a page takes long."""
EXAMPLES = 5

# Orders are numbered within each answer from the latest on; its count is known from any of them.
_VERSION = f"""
WITH seen AS MATERIALIZED (
    SELECT id, at, CASE WHEN shadow ? 'failed' THEN 'failed'
        ELSE shadow->'outcome'->>'change' END AS change
    FROM orders_screeningdecision
    WHERE cause = %s AND at >= %s AND at < %s AND shadow->'version' = to_jsonb(%s::int)
    ORDER BY at DESC, id DESC LIMIT {LOOKED_AT}
)
SELECT change, total, id FROM (
    SELECT change, id, count(*) OVER (PARTITION BY change) AS total,
        row_number() OVER (PARTITION BY change ORDER BY at DESC, id DESC) AS place
    FROM seen
) numbered WHERE place <= {EXAMPLES} ORDER BY change, place
"""

_RULE = f"""
WITH seen AS MATERIALIZED (
    SELECT id, at, CASE
        WHEN shadow ? 'failed' THEN 'failed'
        WHEN NOT shadow->'rules' ? %s THEN 'silent'
        WHEN outcome->>'intercept' IS NOT NULL THEN 'held'
        WHEN EXISTS (
            SELECT 1 FROM jsonb_each_text(%s::jsonb) AS wanted(slot, value)
            WHERE outcome->'slots'->wanted.slot->>'value' IS DISTINCT FROM wanted.value
        ) THEN 'route'
        ELSE 'match' END AS change
    FROM orders_screeningdecision
    WHERE cause = %s AND at >= %s AND at < %s AND ruleset_version = %s AND shadow IS NOT NULL
    ORDER BY at DESC, id DESC LIMIT {LOOKED_AT}
)
SELECT change, total, id FROM (
    SELECT change, id, count(*) OVER (PARTITION BY change) AS total,
        row_number() OVER (PARTITION BY change ORDER BY at DESC, id DESC) AS place
    FROM seen
) numbered WHERE place <= {EXAMPLES} ORDER BY change, place
"""


def version_seen(version: int, since: datetime, until: datetime) -> ShadowSeen:
    """What a shadow version would have changed for the orders that came in the period."""
    return _read(_VERSION, (ScreeningDecision.Cause.INTAKE.value, since, until, version))


def rule_seen(
    rule_key: str, version: int, slots: Mapping[str, str], since: datetime, until: datetime
) -> ShadowSeen:
    """How often a shadow rule of a live version matched orders of the period, and which.

    `slots` are what the rule would assign.
    """
    cause = ScreeningDecision.Cause.INTAKE.value
    return _read(_RULE, (rule_key, json.dumps(dict(slots)), cause, since, until, version))


def _read(statement: str, parameters: Sequence[Any]) -> ShadowSeen:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    counts: dict[str, int] = {}
    examples: dict[str, list[int]] = {}
    for change, total, decision_id in rows:
        counts[change] = total
        examples.setdefault(change, []).append(decision_id)
    return ShadowSeen(counts, {change: tuple(ids) for change, ids in examples.items()})
