"""Messages from other systems: each is taken once, in the transaction that applies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from changefeed.errors import DifferentMessage, TransactionRequired, UnknownSubject
from changefeed.models import Inbox

_RECEIVE = """
INSERT INTO changefeed_inbox (source, source_event_id, body_hash, received_at)
VALUES (%s, %s, %s, now()) ON CONFLICT (source, source_event_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What another system says has changed.

    `id` is unique within `source`. `version` is the subject's version that the sender knew, if
    it said so; `changes` are new values by field name, as the owner of the subject reads them.
    """

    id: str
    source: str
    actor: str
    subject_kind: str
    subject_id: str
    version: int | None
    changes: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message: the subject's version now, and applied, unchanged or waiting.

    `repeated` is true for an id seen before, which is answered as it was then.
    """

    version: int
    outcome: str
    repeated: bool = False


Handler = Callable[[Message], Receipt]
_handlers: dict[str, Handler] = {}


def register(subject_kind: str, handler: Handler) -> None:
    """Let `handler` apply messages about this kind of subject; called once when an app is ready.

    It runs inside the transaction that notes the message, goes through the owner's lifecycle and
    names what the sender said (`recording.expect_echo`) before it changes anything.
    """
    _handlers[subject_kind] = handler


def subject_kinds() -> tuple[str, ...]:
    """The kinds of subject that messages may be about."""
    return tuple(sorted(_handlers))


@transaction.atomic
def take(message: Message) -> Receipt:
    """Apply a message once and remember the answer; a repeat gets the answer of the first time.

    Raises UnknownSubject, DifferentMessage, and whatever the owner's act refuses with; then
    nothing is kept, and the same id may be sent again.
    """
    handler = _handlers.get(message.subject_kind)
    if handler is None:
        raise UnknownSubject(message.subject_kind)
    if not receive_once(message.source, message.id, body_hash=_hash(message)):
        return _answered_before(message)
    receipt = handler(message)
    Inbox.objects.filter(source=message.source, source_event_id=message.id).update(
        answer={"version": receipt.version, "outcome": receipt.outcome}
    )
    return receipt


def receive_once(source: str, source_event_id: str, *, body_hash: str = "") -> bool:
    """True for the first sight of this message, False for a repeat.

    Two at once: the second waits for the first's transaction and is a repeat only if that
    commits. Raises TransactionRequired outside a transaction, where a failure to apply would
    leave the message marked as done.
    """
    if not connection.in_atomic_block:
        raise TransactionRequired("a message is received inside the transaction that applies it")
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVE, (source, source_event_id, body_hash))
        return bool(cursor.rowcount == 1)


def _answered_before(message: Message) -> Receipt:
    known = Inbox.objects.get(source=message.source, source_event_id=message.id)
    if known.body_hash != _hash(message) or known.answer is None:
        raise DifferentMessage(message.id)
    return Receipt(known.answer["version"], known.answer["outcome"], repeated=True)


def _hash(message: Message) -> str:
    said = [
        *(message.subject_kind, message.subject_id, message.version),
        *(dict(message.changes), message.reason),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
