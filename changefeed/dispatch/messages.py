"""A change as receivers see it: bytes that a retry repeats exactly."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from changefeed.dispatch.coalescing import coalesce

_BATCH_PREFIX = "batch_"


@dataclass(frozen=True, slots=True)
class Message:
    """One change, or several coalesced into one, ready to be sent; a retry has the same `id`.

    `covers` are the sequences it stands for, `seq` the last of them; `at` is when the first was
    recorded.
    """

    seq: int
    id: str
    at: datetime
    body: bytes
    covers: tuple[int, ...] = ()
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request carries, and the `webhook-id` it goes under."""

    id: str
    body: bytes
    is_batch: bool
    is_replay: bool


def messages_of(
    rows: Sequence[dict[str, Any]], *, is_coalescing: bool, replay_until: int = 0
) -> list[Message]:
    """The messages for change rows of one subject in order, `old` and `new` being JSON texts.

    Up to `replay_until` they are told once more, each as it was recorded.
    """
    if not is_coalescing:
        return [message_of(row, is_replay=row["seq"] <= replay_until) for row in rows]
    replayed = [row for row in rows if row["seq"] <= replay_until]
    fresh = [row for row in rows if row["seq"] > replay_until]
    return [
        *(message_of(row, is_replay=True) for row in replayed),
        *(coalesced_message(group) for group in coalesce(fresh)),
    ]


def message_of(row: Mapping[str, Any], *, is_replay: bool = False) -> Message:
    """The message for one change row."""
    document = document_of(row)
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return Message(row["seq"], document["id"], row["at"], body, (row["seq"],), is_replay)


def coalesced_message(group: Sequence[Mapping[str, Any]]) -> Message:
    """The newest change of a group, with the oldest old value and a list of all it stands for."""
    newest = group[-1]
    if len(group) == 1:
        return message_of(newest)
    document = document_of({**newest, "old": group[0]["old"]})
    document["data"]["covers"] = [
        {"id": str(row["event_id"]), "seq": row["seq"], "version": row["subject_version"]}
        for row in group
    ]
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    covers = tuple(row["seq"] for row in group)
    return Message(newest["seq"], document["id"], group[0]["at"], body, covers)


def parcel_of(messages: Sequence[Message], *, as_batch: bool) -> Parcel:
    """One message as it is, or any number as a batch, named after its own bytes."""
    if not as_batch:
        (message,) = messages
        return Parcel(message.id, message.body, False, message.is_replay)
    body = b'{"messages":[' + b",".join([one.body for one in messages]) + b'],"type":"batch"}'
    name = _BATCH_PREFIX + hashlib.sha256(body).hexdigest()[:32]
    return Parcel(name, body, True, messages[0].is_replay)


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
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
