"""The present state of returns, as the feed's snapshot tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from changefeed import snapshots, subjects
from returns.triggers import DOCUMENT

_RETURNS = f"""
SELECT r.id, jsonb_build_object('subject',
    jsonb_build_object('kind', 'return', 'id', r.number, 'version', r.version),
    'state', {DOCUMENT})::text
FROM returns_returnrequest r JOIN orders_order o ON o.id = r.order_id
WHERE r.id > %s ORDER BY r.id LIMIT %s
"""
_LOCK = "SELECT version FROM returns_returnrequest WHERE number = %s FOR NO KEY UPDATE"


def register_state() -> None:
    """Tell the feed what returns are like now, and how to hold one still.

    Called once when the app is ready.
    """
    snapshots.register("return", _read)
    subjects.register("return", _LOCK)


def _read(after: int, limit: int) -> Sequence[tuple[int, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(_RETURNS, (after, limit))
        return [(key, json.loads(text)) for key, text in cursor.fetchall()]
