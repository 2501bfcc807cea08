"""The feed at a glance, above the list of endpoints: open alerts and figures of the whole."""

from collections.abc import Container
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from changefeed.admin.words import span_text
from changefeed.metrics import endpoint_lags, longest_writer_seconds
from changefeed.models import AlertKind, Endpoint, EndpointState, FeedAlert

SHOWN_ALERTS = 20


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """Figures over all endpoints, the alerts that are open, and where else to look."""
    lags = endpoint_lags()
    oldest = max((lag.oldest_pending_seconds for lag in lags), default=0.0)
    stopped = sum(1 for lag in lags if lag.state != EndpointState.ACTIVE)
    return {
        "feed_figures": [
            {"label": _("endpoints"), "value": f"{len(lags):,}", "more": _stopped(stopped)},
            {
                "label": _("oldest waiting for"),
                "value": span_text(oldest) if any(lag.pending_lanes for lag in lags) else "–",
                "more": "",
            },
            {
                "label": _("subjects waiting"),
                "value": f"{sum(lag.pending_lanes for lag in lags):,}",
                "more": "",
            },
            {
                "label": _("subjects parked"),
                "value": f"{sum(lag.parked_lanes for lag in lags):,}",
                "more": "",
            },
            {
                "label": _("longest writing transaction"),
                "value": span_text(longest_writer_seconds()),
                "more": _("holds pulling consumers back"),
            },
        ],
        "feed_alerts": _alerts(),
        "feed_links": _links(request),
        "has_endpoints": bool(lags),
    }


def _alerts() -> list[dict[str, Any]]:
    found = FeedAlert.objects.filter(cleared_at=None).order_by("raised_at")[:SHOWN_ALERTS]
    endpoints = set(Endpoint.objects.values_list("pk", flat=True))
    return [
        {
            "name": alert.name or _("feed"),
            "link": _link(alert, endpoints),
            "what": str(AlertKind(alert.kind).label),
            "figure": _figure(alert),
            "raised_at": alert.raised_at,
        }
        for alert in found
    ]


def _link(alert: FeedAlert, endpoints: Container[int]) -> str:
    """Where to look closer, if what it is about is still there."""
    if alert.kind == AlertKind.CONSUMER:
        return reverse("admin:changefeed_pullcursor_changelist")
    if alert.key in endpoints:
        return reverse("admin:changefeed_endpoint_change", args=[alert.key])
    return ""


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
