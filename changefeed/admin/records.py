"""Pages that only show: changes and delivery attempts."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from changefeed.admin.answers import shown_answer
from changefeed.admin.base import ReadOnlyAdmin
from changefeed.admin.masking import masked
from changefeed.admin.places import SubjectPlaces
from changefeed.admin.revealing import RevealingAdmin, is_revealed
from changefeed.admin.words import exact, subject_text
from changefeed.kinds import label_of
from changefeed.models import Attempt, AttemptOutcome, Change


class SubjectSearch(SubjectPlaces, ReadOnlyAdmin):
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
        return subject_text(row)


class RevealedValues(RevealingAdmin):
    """Hands each row the knowledge whether its personal data may be read in this request."""

    change_form_template = "admin/changefeed/record_form.html"
    change_form_outer_before_template = "admin/changefeed/record_before.html"

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.is_revealed = is_revealed(request)
        return found


@admin.register(Change)
class ChangeAdmin(RevealedValues, SubjectSearch):
    """The log, newest first; its values with personal data hidden."""

    list_display = ("seq", "shown_at", "shown_kind", "shown_subject", "field", "actor", "source")
    empty_text = _("Nothing has changed yet.")
    ordering = ("-seq",)
    fields = (
        "seq",
        "event_id",
        "shown_at",
        "shown_kind",
        "subject_kind",
        "subject_id",
        "subject_version",
        "field",
        "shown_old",
        "shown_new",
        "actor",
        "source",
        "source_event_id",
    )

    @display(description=_("time"))
    def shown_at(self, change: Change) -> str:
        return exact(change.at)

    @display(description=_("kind of change"))
    def shown_kind(self, change: Change) -> str:
        label = label_of(change.kind)
        if not label:
            return change.kind
        return format_html(
            '<span>{} <span class="desk-muted feed-label">{}</span></span>', change.kind, label
        )

    @display(description=_("old value"))
    def shown_old(self, change: Any) -> str:
        return _value(change.old, change.field, change.is_revealed)

    @display(description=_("new value"))
    def shown_new(self, change: Any) -> str:
        return _value(change.new, change.field, change.is_revealed)


@admin.register(Attempt)
class AttemptAdmin(RevealedValues, SubjectSearch):
    """Requests and answers, newest first; answers may repeat what was sent."""

    empty_text = _("Nothing has been sent yet.")
    list_display = (
        "shown_sent_at",
        "endpoint",
        "shown_subject",
        "seq",
        "shown_outcome",
        "status",
        "shown_latency",
    )
    list_filter = ("endpoint", "outcome")
    list_select_related = ("endpoint",)
    ordering = ("-id",)
    fields = (
        "endpoint",
        "subject_kind",
        "subject_id",
        "seq",
        "shown_sent_at",
        "outcome",
        "status",
        "shown_latency",
        "shown_text",
    )

    @display(description=_("sent at"), ordering="sent_at")
    def shown_sent_at(self, attempt: Attempt) -> str:
        return exact(attempt.sent_at)

    @display(description=_("latency (ms)"))
    def shown_latency(self, attempt: Attempt) -> str:
        return f"{attempt.latency_ms:,}"

    @display(description=_("outcome"), ordering="outcome")
    def shown_outcome(self, attempt: Attempt) -> str:
        return format_html(
            '<span class="desk-state {}">{}</span>',
            "" if attempt.outcome == AttemptOutcome.DELIVERED else "is-frozen",
            attempt.get_outcome_display(),
        )

    @display(description=_("answer"))
    def shown_text(self, attempt: Any) -> str:
        return _preformatted(shown_answer(attempt, revealed=attempt.is_revealed))


def _value(value: Any, field: str, revealed: bool) -> str:
    if value is None:
        return "–"
    shown = value if revealed else masked(value, field)
    return _preformatted(json.dumps(shown, ensure_ascii=False, indent=2))


def _preformatted(text: str) -> str:
    return format_html('<pre class="feed-body">{}</pre>', text)
