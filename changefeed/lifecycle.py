"""What people do with the feed: endpoints begun, paused, resumed, removed; parked lanes settled."""

import structlog
from django.db import transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from changefeed.errors import NotParked
from changefeed.models import Change, Endpoint, EndpointState, FeedLane, LaneState
from changefeed.recording import act_as, record_change
from changefeed.signatures import new_secret

log = structlog.get_logger(__name__)


@transaction.atomic
def add_endpoint(endpoint: Endpoint, *, actor: str) -> str:
    """Save a filled-in new endpoint; its signing secret, shown this once."""
    secret = new_secret()
    endpoint.secrets = [secret]
    endpoint.save(force_insert=True)
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
    """Stop sending until resumed; changes accumulate, nothing is dropped."""
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
    waiting = FeedLane.objects.filter(endpoint=locked, state=LaneState.BACKOFF)
    chosen = waiting.select_for_update(skip_locked=True).values_list("pk", flat=True)
    FeedLane.objects.filter(pk__in=list(chosen)).update(
        due_at=timezone.now(), state=LaneState.READY
    )
    log.info("endpoint resumed", endpoint=locked.name, actor=actor)


@transaction.atomic
def remove_endpoint(endpoint: Endpoint, *, actor: str) -> int:
    """End an endpoint with everything pending for it; how many subjects were still waiting."""
    pending, _by_model = FeedLane.objects.filter(endpoint=endpoint).delete()
    name = endpoint.name
    Endpoint.objects.filter(pk=endpoint.pk).delete()
    log.info("endpoint removed", endpoint=name, actor=actor, pending=pending)
    return pending


@transaction.atomic
def resume_lane(lane: FeedLane, *, actor: str) -> None:
    """Try a parked lane again from its first pending change. Raises NotParked."""
    locked = _parked(lane)
    _make_ready(locked)
    locked.save(update_fields=["state", "due_at", "attempts", "rejections"])
    log.info("lane resumed", lane=str(locked), actor=actor)


@transaction.atomic
def skip_change(lane: FeedLane, *, actor: str, reason: str) -> int | None:
    """Give up on the first pending change of a parked lane and go on behind it; its sequence.

    The gap is recorded as a change of the same subject, `lane.skipped`, so that the receiver
    and the audit both see what was left out and why. None when nothing wanted was pending.
    Raises NotParked.
    """
    locked = _parked(lane)
    head = head_of(locked)
    skipped = head.seq if head else locked.last_seq
    if skipped >= locked.last_seq:
        locked.delete()
    else:
        locked.head_seq = skipped + 1
        _make_ready(locked)
        locked.save(update_fields=["head_seq", "state", "due_at", "attempts", "rejections"])
    if head is None:
        return None
    act_as(actor)
    record_change(
        "lane.skipped",
        subject_kind=locked.subject_kind,
        subject_id=locked.subject_id,
        subject_version=head.subject_version,
        new={
            "endpoint": locked.endpoint.name,
            "seq": head.seq,
            "id": str(head.event_id),
            "reason": reason,
        },
    )
    return skipped


def head_of(lane: FeedLane) -> Change | None:
    """The first change still pending in a lane, if its endpoint wants any."""
    pending = Change.objects.filter(
        subject_kind=lane.subject_kind,
        subject_id=lane.subject_id,
        seq__gte=lane.head_seq,
        seq__lte=lane.last_seq,
    )
    wanted = RawSQL(
        "changefeed_wants(%s::text[], %s::text[], kind, field)",
        (lane.endpoint.kinds, lane.endpoint.fields),
        output_field=BooleanField(),
    )
    return pending.filter(wanted).order_by("seq").first()


def _parked(lane: FeedLane) -> FeedLane:
    locked = FeedLane.objects.select_for_update().filter(pk=lane.pk).first()
    if locked is None or locked.state != LaneState.PARKED:
        raise NotParked(str(lane))
    return locked


def _make_ready(lane: FeedLane) -> None:
    lane.state = LaneState.READY
    lane.due_at = timezone.now()
    lane.attempts = lane.rejections = 0
