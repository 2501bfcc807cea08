"""Consumers that pull: how far each is, which are stuck, and how to become one."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from changefeed.admin.base import ReadOnlyAdmin
from changefeed.admin.words import span_text
from changefeed.clock import database_now
from changefeed.consumers import (
    MOST_COUNTED,
    PULL_SCOPE,
    Consumer,
    consumers,
    lanes_holding_back,
)
from changefeed.models import PullCursor


@admin.register(PullCursor)
class PullCursorAdmin(ReadOnlyAdmin):
    """One page with every consumer; there is nothing to open, add or change."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = database_now()
        retention = timedelta(days=settings.FEED_RETENTION_DAYS)
        found = consumers(now, retention)
        title = _("Pulling consumers")
        return TemplateResponse(
            request,
            "admin/changefeed/consumers.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "content_title": title,
                "opts": self.opts,
                "consumers": [_shown(one) for one in found],
                "holding": [one.key.name for one in found if one.holds_back],
                "holding_lanes": [
                    {
                        "name": name,
                        "since": since,
                        "link": reverse("admin:changefeed_endpoint_change", args=[pk]),
                    }
                    for pk, name, since in lanes_holding_back(now, retention)
                ],
                "retention_days": settings.FEED_RETENTION_DAYS,
                "scope": PULL_SCOPE,
                "may_add_key": request.user.is_superuser,
                "may_view_keys": request.user.has_perm("changefeed.view_apikey"),
                "host": request.get_host(),
                "scheme": request.scheme,
                **(extra_context or {}),
            },
        )


def _shown(consumer: Consumer) -> dict[str, Any]:
    cursor = consumer.cursor
    return {
        "name": consumer.key.name,
        "source": consumer.key.source,
        "link": reverse("admin:changefeed_apikey_change", args=[consumer.key.pk]),
        "pending": f"{MOST_COUNTED:,}+"
        if consumer.pending > MOST_COUNTED
        else f"{consumer.pending:,}",
        "has_asked": cursor is not None,
        "lag": span_text(consumer.lag_seconds) if consumer.oldest_at else "–",
        "seconds": f"{consumer.lag_seconds:,.0f}",
        "seen_at": cursor.seen_at if cursor else None,
        "position": _position(cursor),
        "oldest_at": consumer.oldest_at,
        "state": _state(consumer),
        "is_stuck": consumer.holds_back or consumer.is_silent,
        "explanation": _explanation(consumer),
    }


def _position(cursor: PullCursor | None) -> str:
    if cursor is None:
        return "–"
    if cursor.window is None:
        return _("at the beginning")
    # Behind a window whose rows are all acknowledged, or which was empty from the start.
    if not cursor.after_seq:
        return _("at a snapshot")
    return f"#{cursor.after_seq}"


def _state(consumer: Consumer) -> str:
    if consumer.cursor is None:
        return _("has never asked")
    if consumer.holds_back:
        return _("stuck")
    if consumer.is_silent:
        return _("silent")
    return _("up to date") if not consumer.pending else _("pulling")


def _explanation(consumer: Consumer) -> str:
    if consumer.holds_back:
        return _(
            "Everything since its oldest unacknowledged change is kept for it, beyond the "
            "retention. Get it going again, or revoke its key."
        )
    if consumer.is_silent:
        return _(
            "It has not asked for %(span)s. What it has not acknowledged is kept for it. Get it "
            "going again, or revoke its key if it was retired."
        ) % {"span": span_text(consumer.silent_seconds)}
    return ""
