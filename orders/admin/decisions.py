"""Admin of screening decisions: what the rules saw and said, to read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from orders.admin.base import ReadOnlyAdmin
from orders.admin.order_page import shown_decision
from orders.admin.searching import order_ids
from orders.admin.traces import shown_trace
from orders.display import ago
from orders.models import ScreeningDecision
from rules.facts import catalogue
from rules.labels import label_of
from rules.sentences import masked, series, value_phrase


@admin.register(ScreeningDecision)
class ScreeningDecisionAdmin(ReadOnlyAdmin):
    list_display = ("shown_order", "cause", "ruleset_version", "shown_at", "took")
    list_display_links = ("shown_at",)
    search_fields = ("order__number",)
    search_help_text = _("Order, parcel or customer number, phone")
    ordering = ("-id",)
    sortable_by = ()
    paginator = InfinitePaginator
    fields = ("shown_order", "cause", "ruleset_version", "shown_at", "took", "why", "seen")
    readonly_fields = fields

    class Media:
        js = (Script("js/order_trace.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ScreeningDecision]":
        return super().get_queryset(request).select_related("order")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[ScreeningDecision]", search_term: str
    ) -> tuple["QuerySet[ScreeningDecision]", bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(order_id__in=order_ids(search_term)), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ScreeningDecision | None:
        decision = super().get_object(request, object_id, from_field)
        if decision is not None:
            decision.has_links = request.user.has_perm("rules.view_rule")
        return decision

    @display(description=_("order"))
    def shown_order(self, decision: ScreeningDecision) -> str:
        url = reverse("admin:orders_order_change", args=(decision.order_id,))
        return format_html('<a class="desk-link" href="{}">{}</a>', url, decision.order.number)

    @display(description=_("at"))
    def shown_at(self, decision: ScreeningDecision) -> str:
        return ago(decision.at)

    @display(description=_("took"))
    def took(self, decision: ScreeningDecision) -> str:
        return f"{decision.took_us / 1000:.1f} ms"

    @display(description=_("why"))
    def why(self, decision: ScreeningDecision) -> str:
        trace = shown_trace(decision, with_links=getattr(decision, "has_links", False))
        if trace is not None:
            return render_to_string("admin/orders/_trace.html", {"trace": trace})
        shown = shown_decision(decision)
        matches = shown.matches if shown else []
        if not matches:
            return str(_("No rule matched."))
        return format_html_join("", "{}<br>", ((match.sentence,) for match in matches))

    @display(description=_("facts seen"))
    def seen(self, decision: ScreeningDecision) -> str:
        rows = ((_label(key), _value(key, value)) for key, value in _sorted(decision.facts))
        return format_html(
            '<dl class="desk-facts is-wide">{}</dl>',
            format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", rows),
        )


def _sorted(facts: Any) -> list[tuple[str, Any]]:
    return sorted(facts.items()) if isinstance(facts, dict) else []


def _label(key: str) -> Any:
    fact = catalogue.get(key)
    return fact.label if fact else key


def _value(key: str, value: Any) -> str:
    """The value as people say it, with its unit or label; personal ones masked."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    fact = catalogue.get(key)
    if isinstance(value, list):
        return series([_value(key, one) for one in value]) if value else "–"
    text = str(value)
    if fact is None or not text:
        return text or "–"
    if fact.type.is_numeric:
        return value_phrase(key, value)
    if fact.personal:
        return masked(text)
    return str(label_of(fact, text) or text)
