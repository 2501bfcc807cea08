"""Telling an endpoint again: choose, see how much it is, give a reason, watch it go."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.db.models import Max, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from changefeed import lifecycle
from changefeed.admin.base import actor_of, to_page
from changefeed.admin.replay_form import ConfirmForm, ReplayForm
from changefeed.admin.replay_progress import shown_replays, what_was_asked
from changefeed.lifecycle import ReplayCount, Selection
from changefeed.models import Change, Endpoint, Replay

LONGEST_COUNT_MILLISECONDS = 10_000
SHOWN_REPLAYS = 10


class ReplayingPages(ModelAdmin):
    """Adds `…/<id>/replay/`: a GET chooses and counts, a POST sends."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.replay_page)
        call_off = self.admin_site.admin_view(require_POST(self.call_off))
        return [
            path("<int:object_id>/replay/", view, name="changefeed_endpoint_replay"),
            path("<int:object_id>/replay/call-off/", call_off, name="changefeed_endpoint_call_off"),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """As for parked lanes: who may settle what an endpoint refused may send it again."""
        return bool(
            self.has_view_permission(request)
            and request.user.has_perm("changefeed.change_feedlane")
        )

    def replay_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        endpoint = get_object_or_404(Endpoint, pk=object_id)
        if request.method == "POST":
            return self._replay(request, endpoint)
        wish = ReplayForm(request.GET if "scope" in request.GET else None)
        counted = {}
        if wish.is_valid():
            counted = _counted(endpoint, wish.cleaned_data["selection"])
            counted["confirm"] = ConfirmForm.fresh()
        return self._shown(request, endpoint, wish=wish, **counted)

    def call_off(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """End what is being sent again; pressed twice, the second time finds nothing to end."""
        if not self.has_replay_permission(request):
            raise PermissionDenied
        endpoint = get_object_or_404(Endpoint, pk=object_id)
        if lifecycle.call_off(endpoint, actor=actor_of(request.user)):
            self.log_change(request, endpoint, _("Replays called off"))
            messages.success(
                request,
                _("Nothing more is sent again. What was pending still comes, in order."),
            )
        else:
            messages.info(request, _("Nothing was being sent again any more."))
        return to_page(request, "changefeed_endpoint_replay", endpoint.pk)

    def _replay(self, request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
        wish, confirm = ReplayForm(request.POST), ConfirmForm(request.POST)
        if not wish.is_valid():
            return self._shown(request, endpoint, wish=wish)
        selection = wish.cleaned_data["selection"]
        if not confirm.is_valid():
            counted = _counted(endpoint, selection)
            return self._shown(request, endpoint, wish=wish, confirm=confirm, **counted)
        asked = lifecycle.replay(
            endpoint,
            selection,
            actor=actor_of(request.user),
            reason=confirm.cleaned_data["reason"],
            key=confirm.cleaned_data["key"],
        )
        said = {"what": what_was_asked(asked), "reason": asked.reason}
        self.log_change(request, endpoint, _("Replay of %(what)s: %(reason)s") % said)
        messages.success(request, _began(asked))
        return to_page(request, "changefeed_endpoint_replay", endpoint.pk)

    def _shown(self, request: HttpRequest, endpoint: Endpoint, **context: Any) -> TemplateResponse:
        found = Replay.objects.filter(endpoint=endpoint).select_related("endpoint")
        title = _("Send again to %(name)s") % {"name": endpoint.name}
        return TemplateResponse(
            request,
            "admin/changefeed/replay_page.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "content_title": title,
                "opts": self.opts,
                "endpoint": endpoint,
                **_so_far(found),
                **context,
            },
        )


def _so_far(found: QuerySet[Replay]) -> dict[str, Any]:
    """The latest replays, and whether there is one to call off."""
    shown = shown_replays(found[:SHOWN_REPLAYS])
    is_under_way = any(not one["is_over"] and not one["replay"].called_off_at for one in shown)
    return {"replays": shown, "is_under_way": is_under_way}


def _counted(endpoint: Endpoint, selection: Selection) -> dict[str, Any]:
    """How much it is; where counting takes too long, what it is at most."""
    count = _count(endpoint, selection)
    if count is not None:
        return {
            "count": {"subjects": f"{count.subjects:,}", "messages": f"{count.messages:,}"},
            "is_nothing": count.messages == 0,
        }
    ends = Change.objects.aggregate(first=Min("seq"), last=Max("seq"))
    return {"at_most": f"{ends['last'] - ends['first'] + 1:,}", "is_nothing": False}


def _count(endpoint: Endpoint, selection: Selection) -> ReplayCount | None:
    """None when it takes longer than a person should wait."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {LONGEST_COUNT_MILLISECONDS}")
            return lifecycle.count_replay(endpoint, selection)
    except OperationalError:
        return None


def _began(asked: Replay) -> str:
    if asked.finished_at:
        return _("Subjects being sent again: %(count)s.") % {"count": f"{asked.subjects:,}"}
    return _("The replay has begun; it goes on by itself.")
