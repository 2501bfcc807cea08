"""Personal data on the feed's pages: masked, until somebody who may asks, which is recorded."""

import copy
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from changefeed.admin.base import actor_of

REVEAL_PERMISSION = "orders.reveal_order"

log = structlog.get_logger(__name__)


def may_reveal(request: HttpRequest) -> bool:
    """Whether this person may see full names and phone numbers."""
    return bool(request.user.has_perm(REVEAL_PERMISSION))


def is_revealed(request: HttpRequest) -> bool:
    """Whether this very request asked to see them, and might."""
    return bool(getattr(request, "feed_is_revealed", False))


class RevealingAdmin(ModelAdmin):
    """Adds `…/<id>/reveal/` by POST: the page once with its personal data, and a log entry."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_reveal"
        view = self.admin_site.admin_view(require_POST(self.reveal))
        return [path("<path:object_id>/reveal/", view, name=name), *super().get_urls()]

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request) or not may_reveal(request):
            raise PermissionDenied
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        self.log_change(request, found, _("Personal data shown"))
        log.info("personal data shown", what=str(found), actor=actor_of(request.user))
        # The page is one to read; Django takes a POST to it for an edit.
        reading = copy.copy(request)
        reading.method = "GET"
        reading.feed_is_revealed = True  # type: ignore[attr-defined]
        response: HttpResponse = self.changeform_view(reading, object_id)
        return response

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> Any:
        context["may_reveal"] = may_reveal(request)
        context["is_revealed"] = is_revealed(request)
        return super().render_change_form(request, context, **kwargs)
