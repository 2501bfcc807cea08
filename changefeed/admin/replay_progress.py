"""How far replays have come, as pages show it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from changefeed.admin.words import subject_text
from changefeed.models import FeedLane, Replay


def shown_replays(replays: Iterable[Replay]) -> list[dict[str, Any]]:
    """One entry each: what was asked, by whom, and how far; one query more for what is pending.

    A replay is first put before its lanes (`share`, 0 to 100), then sent; `pending` counts the
    subjects of its endpoint that still have replayed messages to come, from any replay. One whose
    last subject was made to wait before the oldest of these is over.
    """
    found = list(replays)
    waiting = _waiting({one.endpoint_id for one in found})
    return [_shown(one, *waiting.get(one.endpoint_id, (0, None))) for one in found]


def _shown(one: Replay, pending: int, oldest: datetime | None) -> dict[str, Any]:
    is_called_off = one.called_off_at is not None
    is_prepared = one.finished_at is not None or is_called_off
    is_sending = bool(
        not is_called_off and oldest and one.finished_at and one.finished_at >= oldest
    )
    sent = max(0, one.subjects - pending)
    return {
        "replay": one,
        "endpoint": one.endpoint,
        "what": what_was_asked(one),
        "actor": one.actor.removeprefix("user:"),
        "reason": one.reason,
        "created_at": one.created_at,
        "subjects": f"{one.subjects:,}",
        "share": share_of(one),
        "is_prepared": is_prepared,
        "pending": f"{pending:,}",
        "is_pending": is_sending,
        "is_over": bool(one.finished_at and not is_sending),
        "sent_share": 100 * sent // one.subjects if one.subjects else 100,
        "state": state_of(one, is_sending=is_sending),
    }


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


def state_of(asked: Replay, *, is_sending: bool) -> str:
    """Being chosen, being sent, called off, or over."""
    if asked.called_off_at:
        if asked.finished_at is None:
            return _("being called off")
        return _("called off by %(name)s") % {"name": asked.called_off_by.removeprefix("user:")}
    if asked.finished_at is None:
        return _("choosing, %(share)d %%") % {"share": share_of(asked)}
    return _("being sent") if is_sending else _("all sent again")


def _waiting(endpoints: set[int]) -> dict[int, tuple[int, datetime]]:
    """By endpoint: subjects with replayed messages to come, and since when the oldest waits."""
    lanes = FeedLane.objects.filter(endpoint__in=endpoints, fresh_from__gt=F("head_seq"))
    counted = lanes.values("endpoint").annotate(count=Count("pk"), oldest=Min("pending_since"))
    rows = counted.values_list("endpoint", "count", "oldest")
    return {key: (count, oldest) for key, count, oldest in rows}


def _moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
