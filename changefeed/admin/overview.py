"""The feed at a glance, above the list of endpoints: open alerts and figures of the whole."""

from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from changefeed.admin.places import places
from changefeed.admin.words import exact, span_text
from changefeed.metrics import EndpointLag, endpoint_lags, longest_writer_seconds
from changefeed.models import AlertKind, Endpoint, EndpointState, FeedAlert, LaneState

SHOWN_ALERTS = 20


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """Figures over all endpoints, the alerts that are open, and where else to look."""
    lags = endpoint_lags()
    oldest = max((lag.oldest_pending_seconds for lag in lags), default=0.0)
    stopped = sum(1 for lag in lags if lag.state != EndpointState.ACTIVE)
    may_view_lanes = request.user.has_perm("changefeed.view_feedlane")
    alerts = _alerts(request)
    return {
        "feed_sentence": _sentence(lags, has_alerts=bool(alerts)),
        "places": places(request),
        "feed_figures": [
            {"label": _("endpoints"), "value": f"{len(lags):,}", "more": _stopped(stopped)},
            {
                "label": _("oldest waiting for"),
                "value": span_text(oldest) if any(lag.pending_lanes for lag in lags) else "–",
                "more": "",
                "title": _since(oldest) if any(lag.pending_lanes for lag in lags) else "",
            },
            {
                "label": _("subjects waiting"),
                "value": f"{sum(lag.pending_lanes for lag in lags):,}",
                "more": "",
                "link": _lanes()
                if may_view_lanes and any(lag.pending_lanes for lag in lags)
                else "",
            },
            {
                "label": _("subjects parked"),
                "value": f"{sum(lag.parked_lanes for lag in lags):,}",
                "more": "",
                "link": _lanes(LaneState.PARKED)
                if may_view_lanes and any(lag.parked_lanes for lag in lags)
                else "",
            },
            {
                "label": _("longest writing transaction"),
                "value": span_text(longest_writer_seconds()),
                "more": _("holds pulling consumers back"),
            },
        ],
        "feed_alerts": alerts,
        "feed_links": _links(request),
        "has_endpoints": bool(lags),
    }


def _sentence(lags: Sequence[EndpointLag], *, has_alerts: bool) -> str:
    """The whole feed in one sentence; empty while something needs attention, or without any."""
    if not lags or has_alerts or any(lag.state != EndpointState.ACTIVE for lag in lags):
        return ""
    if any(lag.parked_lanes for lag in lags):
        return ""
    waiting = sum(lag.pending_lanes for lag in lags)
    if not waiting:
        return _("All is well: every endpoint answers and knows everything it takes.")
    oldest = max(lag.oldest_pending_seconds for lag in lags)
    return ngettext(
        "All is well: every endpoint answers; %(count)s subject is on its way, for %(span)s.",
        "All is well: every endpoint answers; %(count)s subjects are on their way, the oldest "
        "for %(span)s.",
        waiting,
    ) % {"count": f"{waiting:,}", "span": span_text(oldest)}


def _since(seconds: float) -> str:
    moment = timezone.now() - timedelta(seconds=seconds)
    return _("since %(time)s") % {"time": exact(moment)}


def _lanes(state: str = "", endpoint_id: int | None = None) -> str:
    chosen = {"state__exact": state, "endpoint__id__exact": endpoint_id}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"{reverse('admin:changefeed_feedlane_changelist')}?{query}".removesuffix("?")


def _alerts(request: HttpRequest) -> list[dict[str, Any]]:
    # Apps above the feed keep alerts of kinds of their own beside these.
    found = FeedAlert.objects.filter(cleared_at=None, kind__in=AlertKind.values)
    found = found.order_by("raised_at")[:SHOWN_ALERTS]
    endpoints = set(Endpoint.objects.values_list("pk", flat=True))
    return [
        {
            "name": alert.name or _("feed"),
            "link": _link(request, alert, endpoints),
            "what": str(AlertKind(alert.kind).label),
            "figure": _figure(alert),
            "raised_at": alert.raised_at,
        }
        for alert in found
    ]


def _link(request: HttpRequest, alert: FeedAlert, endpoints: Container[int]) -> str:
    """Where this person may look closer, if what it is about is still there."""
    if alert.kind == AlertKind.CONSUMER:
        may_view = request.user.has_perm("changefeed.view_pullcursor")
        return reverse("admin:changefeed_pullcursor_changelist") if may_view else ""
    if alert.kind == AlertKind.WRITER or alert.key not in endpoints:
        return ""
    may_view_lanes = request.user.has_perm("changefeed.view_feedlane")
    if alert.kind == AlertKind.PARKED and may_view_lanes:
        return _lanes(LaneState.PARKED, alert.key)
    return reverse("admin:changefeed_endpoint_change", args=[alert.key])


def _figure(alert: FeedAlert) -> str:
    if alert.kind in (AlertKind.LAG, AlertKind.WRITER, AlertKind.CONSUMER):
        return span_text(alert.figure)
    return _("subjects: %(count)s") % {"count": f"{round(alert.figure):,}"}


def _stopped(count: int) -> str:
    if not count:
        return _("all answering")
    return _("%(count)d not sending") % {"count": count}


def _links(request: HttpRequest) -> list[dict[str, str]]:
    pages = (
        (_("Waiting lanes"), "changefeed_feedlane_changelist", "view_feedlane", ""),
        (_("Parked"), "changefeed_feedlane_changelist", "view_feedlane", "?state__exact=parked"),
        (_("Attempts"), "changefeed_attempt_changelist", "view_attempt", ""),
        (_("Replays"), "changefeed_replay_changelist", "view_replay", ""),
        (_("Pulling consumers"), "changefeed_pullcursor_changelist", "view_pullcursor", ""),
    )
    return [
        {"title": title, "link": reverse(f"admin:{view}") + query}
        for title, view, permission, query in pages
        if request.user.has_perm(f"changefeed.{permission}")
    ]
