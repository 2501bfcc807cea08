"""How far replays have come, as pages show it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, F
from django.utils import timezone
from django.utils.translation import gettext as _

from changefeed.admin.words import subject_text
from changefeed.models import FeedLane, Replay


def shown_replays(replays: Iterable[Replay]) -> list[dict[str, Any]]:
    """One entry each: what was asked, by whom, and how far; one query more for what is pending.

    A replay is first put before its lanes (`share`, 0 to 100), then sent; `pending` counts the
    subjects of its endpoint that still have replayed messages to come, from any replay.
    """
    found = list(replays)
    pending = _pending({one.endpoint_id for one in found})
    return [
        {
            "endpoint": one.endpoint,
            "what": what_was_asked(one),
            "actor": one.actor.removeprefix("user:"),
            "reason": one.reason,
            "created_at": one.created_at,
            "subjects": f"{one.subjects:,}",
            "share": share_of(one),
            "is_prepared": one.finished_at is not None,
            "pending": f"{pending.get(one.endpoint_id, 0):,}",
            "is_pending": bool(pending.get(one.endpoint_id)),
            "state": state_of(one, pending.get(one.endpoint_id, 0)),
        }
        for one in found
    ]


def what_was_asked(asked: Replay) -> str:
    """The selection in words."""
    if asked.subject_id:
        return subject_text(asked)
    if asked.since and asked.until:
        return _("recorded %(since)s to %(until)s") % {
            "since": _moment(asked.since),
            "until": _moment(asked.until),
        }
    if asked.since:
        return _("recorded from %(since)s on") % {"since": _moment(asked.since)}
    if asked.until:
        return _("recorded before %(until)s") % {"until": _moment(asked.until)}
    return _("everything kept")


def share_of(asked: Replay) -> int:
    """How much of the range has been looked at, 0 to 100."""
    if asked.finished_at:
        return 100
    length = asked.last_seq - asked.first_seq + 1
    return min(99, 100 * (asked.next_seq - asked.first_seq) // length) if length > 0 else 100


def state_of(asked: Replay, pending: int) -> str:
    """Being chosen, being sent, or over."""
    if asked.finished_at is None:
        return _("choosing, %(share)d %%") % {"share": share_of(asked)}
    return _("being sent") if pending else _("all sent again")


def _pending(endpoints: set[int]) -> dict[int, int]:
    lanes = FeedLane.objects.filter(endpoint__in=endpoints, replay_until__gte=F("head_seq"))
    counted = lanes.values("endpoint").annotate(count=Count("pk"))
    return dict(counted.values_list("endpoint", "count"))


def _moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
