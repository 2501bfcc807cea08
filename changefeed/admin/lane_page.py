"""What a lane's page tells: the message in hand, what came back, and what waits behind it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from changefeed.admin.answers import shown_attempts
from changefeed.admin.masking import masked
from changefeed.admin.words import span_text
from changefeed.dispatch.coalescing import CHANGES_IN_VIEW
from changefeed.dispatch.messages import Message, messages_of
from changefeed.models import Attempt, AttemptOutcome, FeedLane

RECENT_ATTEMPTS = 15
SHOWN_BEHIND = 20

# As the dispatcher reads a lane.
_PENDING = """
SELECT seq, event_id, subject_kind, subject_id, subject_version, kind, field,
       old::text AS old, new::text AS new, actor, source, schema_version, at
FROM changefeed_change
WHERE subject_kind = %(subject_kind)s AND subject_id = %(subject_id)s
  AND seq >= %(head)s AND seq <= %(last)s AND seq <> ALL (%(delivered)s::bigint[])
  AND changefeed_wants(%(kinds)s::text[], %(fields)s::text[], kind, field)
  AND NOT changefeed_is_echo(%(listener)s, source, echo, field, new)
ORDER BY seq LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """The message in hand: its parts in words, and its body, exact or with personal data hidden."""

    seq: int
    id: str
    kind: str
    field: str
    version: int
    at: datetime
    size: str
    covers: int
    is_replay: bool
    body: str


@dataclass(frozen=True, slots=True)
class Behind:
    """One message that waits for the one before it."""

    seq: int
    kind: str
    field: str
    version: int
    at: datetime


def lane_context(lane: FeedLane, *, revealed: bool) -> dict[str, Any]:
    """Everything about one lane, in five reads; `revealed` leaves personal data as it is."""
    messages = _pending_messages(lane)
    attempts = Attempt.objects.filter(
        endpoint=lane.endpoint,
        subject_kind=lane.subject_kind,
        subject_id=lane.subject_id,
        seq__gte=lane.head_seq,
    )
    tried = attempts.aggregate(
        count=Count("pk"),
        refused=Count("pk", filter=Q(outcome=AttemptOutcome.REJECTED)),
        first=Min("sent_at"),
        last=Max("sent_at"),
    )
    behind = messages[1:]
    return {
        "lane": lane,
        "head": _shown(messages[0], revealed=revealed) if messages else None,
        "tried": tried,
        "waits_for": span_text((timezone.now() - lane.pending_since).total_seconds()),
        "behind": [_behind(message) for message in behind[:SHOWN_BEHIND]],
        "behind_count": f"{len(behind):,}",
        "behind_more": max(0, len(behind) - SHOWN_BEHIND),
        "is_more_behind": len(messages) >= CHANGES_IN_VIEW,
        "recent_attempts": shown_attempts(
            attempts.order_by("-sent_at")[:RECENT_ATTEMPTS], revealed=revealed
        ),
        "is_parked": lane.state == "parked",
    }


def _pending_messages(lane: FeedLane) -> list[Message]:
    """What is sent of this lane, in order, as far as the dispatcher looks ahead."""
    endpoint = lane.endpoint
    with connection.cursor() as cursor:
        cursor.execute(
            _PENDING,
            {
                "subject_kind": lane.subject_kind,
                "subject_id": lane.subject_id,
                "head": lane.head_seq,
                "last": lane.last_seq,
                "delivered": lane.delivered_seqs or [],
                "kinds": endpoint.kinds,
                "fields": endpoint.fields,
                "listener": endpoint.source,
                "most": CHANGES_IN_VIEW,
            },
        )
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return messages_of(rows, is_coalescing=endpoint.coalesce, replay_until=lane.replay_until or 0)


def _shown(message: Message, *, revealed: bool) -> ShownMessage:
    read = json.loads(message.body)
    data = read["data"]
    if revealed:
        body = message.body.decode()
    else:
        for name in ("old", "new"):
            data[name] = masked(data[name], data["field"])
        body = json.dumps(read, ensure_ascii=False, indent=2, sort_keys=True)
    return ShownMessage(
        seq=message.seq,
        id=message.id,
        kind=read["type"],
        field=data["field"],
        version=data["subject"]["version"],
        at=message.at,
        size=f"{len(message.body):,}",
        covers=len(message.covers),
        is_replay=message.is_replay,
        body=body,
    )


def _behind(message: Message) -> Behind:
    read = json.loads(message.body)
    data = read["data"]
    return Behind(message.seq, read["type"], data["field"], data["subject"]["version"], message.at)
