"""What people do with the feed: endpoints begun, paused, resumed, removed; parked lanes settled."""

from functools import partial
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import BooleanField, Max
from django.db.models.expressions import RawSQL

from changefeed import subjects
from changefeed.calling_off import call_off, continue_calling_off
from changefeed.clock import database_now
from changefeed.dispatch.coalescing import CHANGES_IN_VIEW, coalesce
from changefeed.errors import NotParked, ReasonMissing
from changefeed.giving_way import StillHeld, give_way
from changefeed.models import Change, Endpoint, EndpointState, FeedLane, LaneState
from changefeed.recording import act_as, record_change
from changefeed.replaying import ReplayCount, Selection, continue_replays, count_replay, replay
from changefeed.signatures import new_secret

__all__ = [
    "ReplayCount",
    "Selection",
    "add_endpoint",
    "call_off",
    "continue_calling_off",
    "continue_replays",
    "count_replay",
    "head_of",
    "pause_endpoint",
    "remove_endpoint",
    "replay",
    "resume_endpoint",
    "resume_lane",
    "retire_secrets",
    "rotate_secret",
    "skip_change",
]

log = structlog.get_logger(__name__)

REMOVAL_GIVES_WAY_SECONDS = 10.0

# Locked in the order in which writers of many subjects lock them, lest the two wait for each other.
_REMOVE_LANES = """
WITH mine AS MATERIALIZED (
    SELECT id FROM changefeed_feedlane WHERE endpoint_id = %s
    ORDER BY subject_kind, subject_id FOR UPDATE
)
DELETE FROM changefeed_feedlane USING mine WHERE changefeed_feedlane.id = mine.id
"""

# What a writer holds at this moment is passed by and comes when it would have come.
_WAKE_LANES = """
UPDATE changefeed_feedlane SET due_at = clock_timestamp(), state = 'ready'
WHERE id IN (
    SELECT id FROM changefeed_feedlane WHERE endpoint_id = %s AND state = 'backoff'
    FOR UPDATE SKIP LOCKED
)
"""


@transaction.atomic
def add_endpoint(endpoint: Endpoint, *, actor: str) -> str:
    """Save a filled-in new endpoint; its signing secret, shown this once."""
    secret = new_secret()
    endpoint.secrets = [secret]
    endpoint.save(force_insert=True)
    Endpoint.objects.filter(pk=endpoint.pk).update(created_at=database_now())
    log.info("endpoint added", endpoint=endpoint.name, actor=actor)
    return secret


@transaction.atomic
def rotate_secret(endpoint: Endpoint, *, actor: str) -> str:
    """A new secret beside the newest old one; messages carry both signatures until `retire`."""
    locked = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    secret = new_secret()
    locked.secrets = [secret, *locked.secrets[:1]]
    locked.save(update_fields=["secrets"])
    log.info("secret rotated", endpoint=locked.name, actor=actor)
    return secret


@transaction.atomic
def retire_secrets(endpoint: Endpoint, *, actor: str) -> int:
    """Keep only the newest secret; how many older ones were dropped."""
    locked = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    dropped = len(locked.secrets[1:])
    locked.secrets = locked.secrets[:1]
    locked.save(update_fields=["secrets"])
    log.info("secrets retired", endpoint=locked.name, actor=actor, dropped=dropped)
    return dropped


@transaction.atomic
def pause_endpoint(endpoint: Endpoint, *, actor: str, reason: str) -> None:
    """Stop sending until resumed; changes accumulate, nothing is dropped. Raises ReasonMissing."""
    reason = _given(reason)
    locked = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    locked.state = EndpointState.PAUSED
    locked.opened_until = None
    locked.state_reason = reason
    locked.save(update_fields=["state", "opened_until", "state_reason"])
    log.info("endpoint paused", endpoint=locked.name, actor=actor)


@transaction.atomic
def resume_endpoint(endpoint: Endpoint, *, actor: str) -> None:
    """Send again at once, whatever had closed the way; waiting lanes become due."""
    locked = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    locked.state = EndpointState.ACTIVE
    locked.failures = locked.openings = 0
    locked.opened_until = None
    locked.state_reason = ""
    locked.save(update_fields=["state", "failures", "openings", "opened_until", "state_reason"])
    with connection.cursor() as cursor:
        cursor.execute(_WAKE_LANES, (locked.pk,))
    log.info("endpoint resumed", endpoint=locked.name, actor=actor)


@transaction.atomic
def remove_endpoint(endpoint: Endpoint, *, actor: str) -> int:
    """End an endpoint with everything pending for it; how many subjects were still waiting."""
    try:
        pending = give_way(partial(_remove_lanes, endpoint.pk), seconds=REMOVAL_GIVES_WAY_SECONDS)
    except StillHeld:
        pending = _remove_lanes(endpoint.pk)
    name = endpoint.name
    Endpoint.objects.filter(pk=endpoint.pk).delete()
    log.info("endpoint removed", endpoint=name, actor=actor, pending=pending)
    return pending


def _remove_lanes(endpoint_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE_LANES, (endpoint_id,))
        return int(cursor.rowcount)


@transaction.atomic
def resume_lane(lane: FeedLane, *, actor: str) -> None:
    """Try a parked lane again from its first pending change. Raises NotParked."""
    locked = _parked(lane)
    _make_ready(locked)
    locked.save(update_fields=["state", "due_at", "attempts", "rejections"])
    log.info("lane resumed", lane=str(locked), actor=actor)


@transaction.atomic
def skip_change(lane: FeedLane, *, actor: str, reason: str) -> int | None:
    """Give up on the next message of a parked lane and go on behind it; its sequence.

    Where changes are sent as one, all that the message stands for is given up. The gap is
    recorded as a change of the same subject, `lane.skipped`, so that the receiver and the audit
    both see what was left out and why. None when nothing wanted was pending. Raises NotParked and
    ReasonMissing.
    """
    reason = _given(reason)
    # As every writer does, so that the gap has its place in the subject's order: behind what
    # another wrote, never between its sequence and its commit.
    version = subjects.lock(lane.subject_kind, lane.subject_id)
    current = FeedLane.objects.filter(pk=lane.pk).first()
    skipped = _first_message(current)[0] if current else []
    # Recorded before the lane is locked: that takes all lanes of the subject, in the order in which
    # every writer takes them. Whoever held one of them already could deadlock with a writer.
    if skipped:
        _record_gap(lane, skipped, version, actor=actor, reason=reason)
    locked = _parked(lane)
    message, left = _first_message(locked)
    if message != skipped:
        raise NotParked(str(lane))
    if left:
        covered = {*skipped, *(locked.delivered_seqs or ())}
        locked.head_seq = min(left)
        locked.delivered_seqs = sorted(seq for seq in covered if seq > min(left)) or None
        _make_ready(locked)
        locked.save(
            update_fields=[
                *("head_seq", "delivered_seqs"),
                *("state", "due_at", "attempts", "rejections"),
            ]
        )
    else:
        locked.delete()
    return skipped[-1] if skipped else None


def _record_gap(
    lane: FeedLane, skipped: list[int], version: int | None, *, actor: str, reason: str
) -> None:
    """Under the subject's version now; of one whose owner keeps none, the newest that was told."""
    head = Change.objects.get(seq=skipped[-1])
    if version is None:
        told = Change.objects.filter(subject_kind=lane.subject_kind, subject_id=lane.subject_id)
        version = told.aggregate(newest=Max("subject_version"))["newest"]
    gap: dict[str, Any] = {
        "endpoint": lane.endpoint.name,
        "seq": head.seq,
        "id": str(head.event_id),
        "reason": reason,
    }
    if len(skipped) > 1:
        gap["covers"] = list(skipped)
    act_as(actor)
    record_change(
        "lane.skipped",
        subject_kind=lane.subject_kind,
        subject_id=lane.subject_id,
        subject_version=version,
        new=gap,
    )


def head_of(lane: FeedLane) -> Change | None:
    """The change that is sent next of a lane, the newest of those sent as one, if any is left."""
    message, _left = _first_message(lane)
    return Change.objects.get(seq=message[-1]) if message else None


def _first_message(lane: FeedLane) -> tuple[list[int], list[int]]:
    """The sequences told by the next message of a lane, and those told later, as far as in view.

    What lies out of view counts as one sequence left.
    """
    wanted = RawSQL(
        "changefeed_wants(%s::text[], %s::text[], kind, field)"
        " AND NOT changefeed_is_echo(%s, source, echo, field, new)",
        (lane.endpoint.kinds, lane.endpoint.fields, lane.endpoint.source),
        output_field=BooleanField(),
    )
    pending = Change.objects.filter(
        wanted,
        subject_kind=lane.subject_kind,
        subject_id=lane.subject_id,
        seq__gte=lane.head_seq,
        seq__lte=lane.last_seq,
    ).exclude(seq__in=lane.delivered_seqs or ())
    rows = list(pending.order_by("seq").values("seq", "kind", "field")[:CHANGES_IN_VIEW])
    if not rows:
        return [], []
    is_drawn_together = lane.endpoint.coalesce and rows[0]["seq"] > (lane.replay_until or 0)
    group = coalesce(rows)[0] if is_drawn_together else rows[:1]
    message = [row["seq"] for row in group]
    left = [row["seq"] for row in rows if row["seq"] not in message]
    if len(rows) == CHANGES_IN_VIEW:
        left.append(rows[-1]["seq"] + 1)
    return message, left


def _given(reason: str) -> str:
    if not (reason := reason.strip()):
        raise ReasonMissing
    return reason


def _parked(lane: FeedLane) -> FeedLane:
    locked = FeedLane.objects.select_for_update().filter(pk=lane.pk).first()
    if locked is None or locked.state != LaneState.PARKED:
        raise NotParked(str(lane))
    return locked


def _make_ready(lane: FeedLane) -> None:
    lane.state = LaneState.READY
    lane.due_at = database_now()
    lane.attempts = lane.rejections = 0
