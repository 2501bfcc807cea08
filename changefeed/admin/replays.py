"""The list of replays over all endpoints, for the audit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from changefeed.admin.base import ReadOnlyAdmin
from changefeed.admin.replay_progress import share_of, state_of, what_was_asked
from changefeed.admin.words import exact
from changefeed.models import Replay


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """Who had what sent again, when and why; begun on an endpoint's page."""

    change_list_template = "admin/changefeed/endpoint_list.html"
    list_before_template = "admin/changefeed/_places.html"
    list_display = ("asked_at", "endpoint", "asked", "by", "shown_subjects", "progress", "reason")
    list_display_links = None
    list_filter = ("endpoint",)
    list_select_related = ("endpoint",)
    ordering = ("-created_at",)
    fields = ("endpoint", "asked", "by", "reason", "asked_at", "shown_subjects", "shown_end")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if not Replay.objects.exists():
            context["empty_text"] = _(
                "Nothing was asked for again yet. A replay begins on the page of its endpoint."
            )
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @display(description=_("asked for at"), ordering="created_at")
    def asked_at(self, replay: Replay) -> str:
        return exact(replay.created_at)

    @display(description=_("all under way at"))
    def shown_end(self, replay: Replay) -> str:
        return exact(replay.finished_at)

    @display(description=_("what was asked for"))
    def asked(self, replay: Replay) -> str:
        return what_was_asked(replay)

    @display(description=_("asked for by"))
    def by(self, replay: Replay) -> str:
        return replay.actor.removeprefix("user:")

    @display(description=_("subjects told again"), ordering="subjects")
    def shown_subjects(self, replay: Replay) -> str:
        return f"{replay.subjects:,}"

    @display(description=_("put before its lanes"))
    def progress(self, replay: Any) -> str:
        if replay.called_off_at:
            return state_of(replay, is_sending=False)
        return f"{share_of(replay)} %"
