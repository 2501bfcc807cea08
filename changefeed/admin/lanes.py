"""Lanes that wait, and the parked ones that a person has to settle."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action, display

from changefeed import lifecycle
from changefeed.admin.base import ReadOnlyAdmin, actor_of, to_page
from changefeed.admin.dialogs import LaneFactsForm, SkipForm
from changefeed.admin.lane_page import lane_context
from changefeed.admin.places import SubjectPlaces
from changefeed.admin.revealing import RevealingAdmin, is_revealed
from changefeed.admin.words import exact, since_text, subject_text
from changefeed.errors import NotParked
from changefeed.models import FeedLane, LaneState


@admin.register(FeedLane)
class FeedLaneAdmin(RevealingAdmin, SubjectPlaces, ReadOnlyAdmin):
    """Settled by whoever may change lanes."""

    list_display = (
        *("shown_subject", "endpoint", "shown_state", "rejections", "attempts"),
        *("waiting", "shown_due_at"),
    )
    list_filter = ("state", "endpoint")
    list_select_related = ("endpoint",)
    search_fields = ("subject_id",)
    search_help_text = gettext_lazy("An order number, or kind:id for other subjects")
    ordering = ("-id",)
    empty_text = gettext_lazy("Nothing waits: every endpoint knows everything it takes.")
    fields = (
        *("endpoint", "subject_kind", "subject_id", "attempts", "shown_due_at"),
        *("head_seq", "last_seq"),
    )
    actions_detail = ("resume", "skip")
    change_form_template = "admin/changefeed/lane_form.html"
    change_form_outer_before_template = "admin/changefeed/lane_before.html"

    def has_settle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("changefeed.change_feedlane"))

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        kind, colon, subject = term.partition(":")
        if not colon:
            return queryset.filter(subject_id=term), False
        return queryset.filter(subject_kind=kind, subject_id=subject), False

    @display(description=gettext_lazy("subject"))
    def shown_subject(self, lane: FeedLane) -> str:
        return subject_text(lane)

    @display(description=gettext_lazy("state"), ordering="state")
    def shown_state(self, lane: FeedLane) -> str:
        return format_html(
            '<span class="desk-state {}">{}</span>',
            "is-frozen" if lane.state == LaneState.PARKED else "",
            lane.get_state_display(),
        )

    @display(description=gettext_lazy("due at"), ordering="due_at")
    def shown_due_at(self, lane: FeedLane) -> str:
        return exact(lane.due_at)

    @display(description=gettext_lazy("waiting for"), ordering="pending_since")
    def waiting(self, lane: FeedLane) -> str:
        return since_text(lane.pending_since, timezone.now())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        lane = self.get_object(request, object_id) if object_id else None
        if lane and self.has_view_permission(request):
            context |= lane_context(lane, revealed=is_revealed(request))
            context["may_settle"] = self.has_settle_permission(request)
            context["content_title"] = self.shown_subject(lane)
        return super().changeform_view(request, object_id, form_url, context)

    @action(
        description=gettext_lazy("Resume"),
        permissions=["settle"],
        dialog={
            "title": gettext_lazy("Try this lane again?"),
            "description": gettext_lazy("The same message is sent again, then what follows it."),
            "form_class": LaneFactsForm,
            "form_submit_text": gettext_lazy("Resume"),
        },
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        try:
            lane = self._located(request, object_id)
            lifecycle.resume_lane(lane, actor=actor_of(request.user))
        except NotParked:
            return self._not_parked(request)
        self.log_change(request, lane, _("Resumed"))
        messages.success(request, _("The lane is tried again."))
        return to_page(request, "changefeed_feedlane_change", object_id)

    @action(
        description=gettext_lazy("Skip this change"),
        permissions=["settle"],
        dialog={
            "title": gettext_lazy("Leave this change out for this endpoint?"),
            "description": gettext_lazy(
                "The receiver is told that it was skipped and why; what follows is sent. This "
                "cannot be undone, but the change can be sent again later."
            ),
            "form_class": SkipForm,
            "form_submit_text": gettext_lazy("Skip"),
        },
    )
    def skip(self, request: HttpRequest, form: SkipForm, object_id: str) -> HttpResponse:
        try:
            lifecycle.skip_change(
                self._located(request, object_id),
                actor=actor_of(request.user),
                reason=form.cleaned_data["reason"],
            )
        except NotParked:
            return self._not_parked(request)
        messages.success(request, _("The change was skipped and the gap recorded."))
        return to_page(request, "changefeed_feedlane_changelist")

    def _located(self, request: HttpRequest, object_id: str) -> FeedLane:
        """The lane; one that is gone meanwhile has been delivered, and is parked no more."""
        lane: FeedLane | None = self.get_object(request, object_id)
        if lane is None:
            raise NotParked(object_id)
        return lane

    def _not_parked(self, request: HttpRequest) -> HttpResponse:
        messages.error(request, _("This lane is not parked any more. Nothing was changed."))
        return to_page(request, "changefeed_feedlane_changelist")
