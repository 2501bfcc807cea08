"""The list of rules of one version."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from rules.document import LAYERS
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.models import Rule, RuleSet, RuleSetState
from rules.parsing import parse_rule
from rules.sentences import sentence_for_rule
from rules.storage import rule_as_json

# Yellow, orange and red mean levels of risk on the desk, and nothing else.
STATUS_COLOURS = {"live": "success", "shadow": "info", "draft": "info", "disabled": "default"}
_ASKED = Case(*(When(layer=layer, then=Value(rank)) for rank, layer in enumerate(LAYERS)))


class RuleList(ModelAdmin):
    """The rules' columns, order, filters and the version shown first."""

    list_display = ("name_and_key", "layer_badge", "priority", "status_badge", "sentence", "author")
    list_display_links = ("name_and_key",)
    list_filter = ("ruleset", "layer", "status")
    list_select_related = ("author", "ruleset")
    search_fields = ("key", "name")
    actions = None
    list_per_page = 100

    @display(description=gettext_lazy("rule"), ordering="name")
    def name_and_key(self, rule: Rule) -> str:
        return format_html(
            '<strong>{}</strong><br><span class="rf-key">{}</span>', rule.name, rule.key
        )

    @display(description=gettext_lazy("layer"), ordering="asked", label=True)
    def layer_badge(self, rule: Rule) -> str:
        return rule.get_layer_display()

    @display(description=gettext_lazy("status"), ordering="status", label=STATUS_COLOURS)
    def status_badge(self, rule: Rule) -> tuple[str, str]:
        return rule.status, rule.get_status_display()

    @display(description=gettext_lazy("says"))
    def sentence(self, rule: Rule) -> str:
        return format_html('<span class="rf-says">{}</span>', spoken(rule))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The order in which rules are asked."""
        return ("asked", "priority", "key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        found = Rule.objects.annotate(asked=_ASKED).order_by(*self.get_ordering(request))
        return found.prefetch_related("rows", "actions")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows one version: the draft where there is one, else the live one."""
        if request.method == "GET" and not request.GET and self.has_view_permission(request):
            shown = (
                RuleSet.objects.filter(state=RuleSetState.DRAFT).first()
                or RuleSet.objects.filter(state=RuleSetState.LIVE).first()
            )
            if shown is not None:
                return redirect(f"{request.path}?ruleset__id__exact={shown.pk}")
        return super().changelist_view(request, extra_context)


def spoken(rule: Rule) -> str:
    """A stored rule as a sentence; empty when it is not valid yet."""
    try:
        return sentence_for_rule(parse_rule(rule_as_json(rule), catalogue))
    except DocumentInvalid:
        return ""
