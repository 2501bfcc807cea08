"""Writing to the feed: who acts in this transaction, and what happened to which subject."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from changefeed.errors import TransactionRequired

ACT_AS = """
SELECT set_config('sluice.actor', %s, true),
       set_config('sluice.source', %s, true),
       set_config('sluice.source_event_id', %s, true)
"""

_RECORD = """
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)
"""


def act_as(actor: str, *, source: str = "sluice", source_event_id: str = "") -> None:
    """Name who acts until this transaction ends, for every change it writes, by trigger or call.

    The actor reads like `user:alice`, `key:WMS`, `customer:42` or `system`. Raises
    TransactionRequired outside a transaction, where the name would be forgotten at once.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(ACT_AS, (actor, source, source_event_id))


def expect_echo(sent: Mapping[str, Any]) -> None:
    """State what the source itself sent, by feed field, for the rest of this transaction.

    A change that stores exactly this is not sent back to the source; one that stores something
    else is. Raises TransactionRequired outside a transaction.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sluice.echo', %s, true)", (_json(dict(sent)),))


def record_change(
    kind: str,
    *,
    subject_kind: str,
    subject_id: str,
    subject_version: int,
    field: str = "",
    old: Any = None,
    new: Any = None,
) -> None:
    """Add one change to the feed; it becomes visible if and when the transaction commits.

    The caller holds the subject's row lock, so that the sequence of one subject is its commit
    order. `kind` is past tense, `order.released`. Values are anything Django can write as JSON;
    None is SQL NULL. Raises TransactionRequired outside a transaction.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            (subject_kind, subject_id, subject_version, kind, field, _json(old), _json(new)),
        )


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise TransactionRequired("the feed is written inside the transaction that it describes")
