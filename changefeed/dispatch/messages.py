"""A change as receivers see it: bytes that a retry repeats exactly."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Message:
    """One change ready to be sent; `id` stays the same in every retry."""

    seq: int
    id: str
    at: datetime
    body: bytes


def message_of(row: dict[str, Any]) -> Message:
    """The message for a change row whose `old` and `new` are the stored JSON texts or None."""
    document = document_of(row)
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return Message(row["seq"], document["id"], row["at"], body)


def document_of(row: dict[str, Any]) -> dict[str, Any]:
    """The change as orjson can write it, the same whether pushed or pulled."""
    return {
        "id": str(row["event_id"]),
        "type": row["kind"],
        "timestamp": timestamp_text(row["at"]),
        "data": {
            "seq": row["seq"],
            "subject": {
                "kind": row["subject_kind"],
                "id": row["subject_id"],
                "version": row["subject_version"],
            },
            "field": row["field"],
            "old": _stored(row["old"]),
            "new": _stored(row["new"]),
            "actor": row["actor"],
            "source": row["source"],
            "schema_version": row["schema_version"],
        },
    }


def timestamp_text(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _stored(text: str | None) -> orjson.Fragment | None:
    """The JSON as PostgreSQL stores it, not parsed again: no number loses a digit."""
    return None if text is None else orjson.Fragment(text)
