"""Subjects, the state of endpoints and lengths of time, in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from changefeed.admin.problems import problem_words
from changefeed.models import GONE_REASON, Endpoint, EndpointState

# In English the word is the code, by which a subject is also sought.
_SUBJECTS = {
    "order": gettext_lazy("order"),
    "return": gettext_lazy("return"),
    "customer": gettext_lazy("customer"),
    "ruleset": gettext_lazy("ruleset"),
    "list": gettext_lazy("list"),
    "snooze": gettext_lazy("snooze"),
}


@dataclass(frozen=True, slots=True)
class StateWords:
    """A state in one word or two, and the sentence that explains it; `reason` is foreign text."""

    word: str
    sentence: str
    reason: str
    is_stopped: bool


def state_words(endpoint: Endpoint, now: datetime) -> StateWords:
    """Whether the endpoint answers, and if not, until when nothing is sent and why."""
    match endpoint.state:
        case EndpointState.PAUSED if endpoint.state_reason == GONE_REASON:
            sentence = _(
                "It answered that nothing receives messages at this address any more, so sending "
                "was paused. Correct the address or remove the endpoint; after a test message, "
                "resume. Changes accumulate in order."
            )
        case EndpointState.PAUSED:
            sentence = _("Nothing is sent until somebody resumes it. Changes accumulate in order.")
        case EndpointState.HALF_OPEN:
            sentence = _("One message is being tried; if it arrives, the rest follows.")
        case EndpointState.OPEN:
            sentence = _open_sentence(endpoint, now)
        case _ if endpoint.failures:
            sentence = ngettext(
                "Messages are sent; the latest %(count)d attempt failed.",
                "Messages are sent; the latest %(count)d attempts failed.",
                endpoint.failures,
            ) % {"count": endpoint.failures}
        case _:
            sentence = _("Messages are sent as soon as something changes.")
    return StateWords(
        word=state_word(endpoint.state),
        sentence=sentence,
        reason=_reason(endpoint),
        is_stopped=endpoint.state != EndpointState.ACTIVE,
    )


def state_word(state: str) -> str:
    """What a state is called on pages."""
    words = {
        EndpointState.ACTIVE: _("answering"),
        EndpointState.OPEN: _("not answering"),
        EndpointState.HALF_OPEN: _("being probed"),
        EndpointState.PAUSED: _("paused"),
    }
    return words.get(EndpointState(state), state)


def subject_text(row: Any) -> str:
    """The subject of a row that has `subject_kind` and `subject_id`, as people call it."""
    return f"{_SUBJECTS.get(row.subject_kind, row.subject_kind)} {row.subject_id}"


def exact(moment: datetime | None) -> str:
    """The moment in the shop's zone, to the second; a dash for none."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else "–"


def _reason(endpoint: Endpoint) -> str:
    """Why it stopped: what a person wrote who paused it, else our account of what went wrong."""
    if endpoint.state == EndpointState.ACTIVE:
        return ""
    if endpoint.state == EndpointState.PAUSED:
        return endpoint.state_reason
    return problem_words(endpoint.state_reason)


def _open_sentence(endpoint: Endpoint, now: datetime) -> str:
    until = endpoint.opened_until
    if until is None or until <= now:
        return _("It did not answer; one message is about to be tried. Nothing is dropped.")
    return _(
        "It did not answer. Stopped until %(time)s, in %(span)s; then one message is tried. "
        "Nothing is dropped."
    ) % {
        "time": f"{timezone.localtime(until):%H:%M:%S}",
        "span": span_text((until - now).total_seconds()),
    }


def since_text(moment: datetime, now: datetime) -> str:
    """How long ago as HTML, with the exact moment on hover."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        _("since %(time)s") % {"time": exact(moment)},
        span_text((now - moment).total_seconds()),
    )


def span_text(seconds: float) -> str:
    """A length of time in its one or two largest units: 12 s, 3 min 20 s, 2 h 5 min."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes and not whole % 60:
        return _("%(minutes)d min") % {"minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": whole % 60}
    return _("%(seconds)d s") % {"seconds": whole}
