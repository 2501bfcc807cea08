"""Pages that only show: changes, delivery attempts and how far pulling consumers are."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from changefeed.admin.base import ReadOnlyAdmin
from changefeed.models import Attempt, AttemptOutcome, Change, PullCursor


class SubjectSearch(ReadOnlyAdmin):
    """Finds rows of one subject through its index: `kind:id`, or an order's number alone."""

    search_fields = ("subject_id",)
    search_help_text = _("An order number, or kind:id for other subjects")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        kind, colon, subject = term.partition(":")
        if not colon:
            kind, subject = "order", term
        return queryset.filter(subject_kind=kind, subject_id=subject), False

    @display(description=_("subject"))
    def shown_subject(self, row: Any) -> str:
        return f"{row.subject_kind} {row.subject_id}"


@admin.register(Change)
class ChangeAdmin(SubjectSearch):
    """The log, newest first."""

    list_display = ("seq", "at", "kind", "shown_subject", "field", "actor", "source")
    ordering = ("-seq",)
    fields = (
        "seq",
        "event_id",
        "at",
        "kind",
        "subject_kind",
        "subject_id",
        "subject_version",
        "field",
        "old",
        "new",
        "actor",
        "source",
        "source_event_id",
    )


@admin.register(Attempt)
class AttemptAdmin(SubjectSearch):
    """Requests and answers, newest first."""

    list_display = (
        "sent_at",
        "endpoint",
        "shown_subject",
        "seq",
        "shown_outcome",
        "status",
        "latency_ms",
    )
    list_filter = ("endpoint", "outcome")
    list_select_related = ("endpoint",)
    ordering = ("-id",)
    fields = (
        "endpoint",
        "subject_kind",
        "subject_id",
        "seq",
        "sent_at",
        "outcome",
        "status",
        "latency_ms",
        "answer",
    )

    @display(
        description=_("outcome"),
        label={
            AttemptOutcome.DELIVERED: "success",
            AttemptOutcome.REJECTED: "danger",
            AttemptOutcome.THROTTLED: "warning",
            AttemptOutcome.FAILED: "danger",
            AttemptOutcome.GONE: "danger",
        },
    )
    def shown_outcome(self, attempt: Attempt) -> tuple[str, str]:
        return attempt.outcome, attempt.get_outcome_display()


@admin.register(PullCursor)
class PullCursorAdmin(ReadOnlyAdmin):
    """Consumers that pull, and when each was last seen."""

    list_display = ("api_key", "after_seq", "seen_at")
    list_select_related = ("api_key",)
    fields = ("api_key", "after_seq", "seen_at")
    ordering = ("api_key__name",)
