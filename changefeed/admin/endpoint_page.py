"""What an endpoint's page tells above and below its form: finished values for the templates."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from changefeed.admin.answers import shown_attempts
from changefeed.admin.endpoint_acts import last_ping
from changefeed.admin.filters import Preview, preview_filters
from changefeed.admin.health import (
    HOUR_SECONDS,
    HourFigures,
    LagPoint,
    backlog_of,
    lag_of_day,
    last_hour_of,
    plot_of,
)
from changefeed.admin.words import exact, span_text, state_words
from changefeed.models import Attempt, AttemptOutcome, Endpoint

RECENT_ATTEMPTS = 20


def endpoint_context(request: HttpRequest, endpoint: Endpoint, *, may_edit: bool) -> dict[str, Any]:
    """The state, figures, plot and latest answers of one endpoint; seven short reads."""
    now = timezone.now()
    backlog = backlog_of(endpoint.pk)
    points = lag_of_day(endpoint.pk, now)
    lanes = reverse("admin:changefeed_feedlane_changelist")
    chosen: dict[str, Any] = {"endpoint__id__exact": endpoint.pk}
    attempted = Attempt.objects.filter(endpoint=endpoint).order_by("-sent_at")
    recent = list(attempted[:RECENT_ATTEMPTS])
    attempts = f"{reverse('admin:changefeed_attempt_changelist')}?{urlencode(chosen)}"
    may_view_attempts = request.user.has_perm("changefeed.view_attempt")
    return {
        "endpoint": endpoint,
        "attempts_link": attempts if may_view_attempts else "",
        "failed_links": [
            {"title": str(outcome.label), "link": f"{attempts}&outcome__exact={outcome.value}"}
            for outcome in AttemptOutcome
            if outcome in {one.outcome for one in recent} - {AttemptOutcome.DELIVERED}
        ],
        "state": state_words(endpoint, now),
        "since": exact(now - timedelta(seconds=backlog.oldest_seconds))
        if backlog.oldest_seconds is not None
        else "",
        "lag": _span(backlog.oldest_seconds),
        "lag_seconds": f"{backlog.oldest_seconds or 0:,.0f}",
        "pending": f"{backlog.pending:,}",
        "parked": f"{backlog.parked:,}",
        "has_parked": backlog.parked > 0,
        "lanes_link": f"{lanes}?{urlencode(chosen)}",
        "parked_link": f"{lanes}?{urlencode({**chosen, 'state__exact': 'parked'})}",
        "hour": _hour(last_hour_of(endpoint.pk)),
        "lag_rows": _lag_rows(points),
        "lag_plot": plot_of(points, settings.FEED_ALERT_LAG_SECONDS),
        "secrets_count": len(endpoint.secrets),
        "recent_attempts": shown_attempts(recent),
        "ping_answer": last_ping(request, endpoint) if may_edit else None,
        "may_ping": may_edit,
        "may_view_lanes": request.user.has_perm("changefeed.view_feedlane"),
        "may_replay": request.user.has_perm("changefeed.change_feedlane"),
    }


def preview_context(kinds: Iterable[str], fields: Iterable[str], source: str) -> dict[str, Any]:
    """What the part that shows a preview needs."""
    found: Preview = preview_filters(kinds, fields, source)
    return {
        "preview": found,
        "preview_matching": f"{found.matching:,}",
        "preview_total": f"{found.total:,}",
        "preview_share": f"{found.matching / found.total:.0%}" if found.total else "",
    }


def _hour(figures: HourFigures) -> dict[str, Any]:
    share = figures.error_share
    return {
        "delivered": f"{figures.delivered:,}",
        "rate": f"{figures.per_second:,.2f}"
        if figures.per_second < 10
        else f"{figures.per_second:,.0f}",
        "failed": f"{figures.failed:,}",
        "attempts": f"{figures.attempts:,}",
        "share": "–" if share is None else f"{share:.1%}",
        "median": "–" if figures.median_ms is None else f"{figures.median_ms:,}",
        "slow": "–" if figures.slow_ms is None else f"{figures.slow_ms:,}",
        "title": _("last hour")
        if figures.seconds >= HOUR_SECONDS
        else _("last %(span)s") % {"span": span_text(figures.seconds)},
    }


def _lag_rows(points: Iterable[LagPoint]) -> list[dict[str, Any]]:
    """The sampled quarters of an hour, newest first."""
    return [
        {
            "since": point.since,
            "lag": span_text(point.seconds),
            "seconds": f"{point.seconds:,.0f}",
            "pending": f"{point.pending or 0:,}",
            "parked": f"{point.parked or 0:,}",
        }
        for point in reversed(list(points))
        if point.seconds is not None
    ]


def _span(seconds: float | None) -> str:
    return _("nothing waits") if seconds is None else span_text(seconds)
