"""The list of rules of one version, with how each of them does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import (
    Case,
    F,
    FloatField,
    Func,
    JSONField,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from rules.admin.funnel import funnel_view
from rules.admin.rule_filters import PerformanceFilter, matching
from rules.admin.rule_summary import summary
from rules.document import LAYERS
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.figures import (
    NOTHING,
    ago,
    alarm_mark,
    daily_hits,
    interval,
    interval_plot,
    number,
    percent,
    span,
)
from rules.models import Rule, RuleSet, RuleSetState
from rules.parsing import parse_rule
from rules.performance import TARGET, Performance, RulePerformance, performance
from rules.sentences import sentence_for_rule
from rules.storage import rule_as_json

_ASKED = Case(*(When(layer=layer, then=Value(rank)) for rank, layer in enumerate(LAYERS)))


class RuleList(ModelAdmin):
    """The rules' columns, order, filters and the version shown first."""

    list_display = (
        "name_and_key",
        "layer_and_status",
        "hits",
        "precision",
        "false_blocks",
        "last_fired",
        "time_to_release",
    )
    list_display_links = ("name_and_key",)
    list_filter = (PerformanceFilter, "layer", "status", "ruleset")
    list_before_template = "admin/rules/rule_summary.html"
    list_select_related = ("ruleset",)
    search_fields = ("key", "name")
    search_help_text = gettext_lazy("Name, key, fact, value or list")
    actions = None
    list_per_page = 100

    class Media:
        css = {"all": ("css/rule_measures.css",)}

    @display(description=gettext_lazy("rule"), ordering="name")
    def name_and_key(self, rule: Rule) -> str:
        return format_html(
            '<strong>{}</strong> <span class="rf-key">{}</span><span class="rm-says">{}</span>',
            rule.name,
            rule.key,
            spoken(rule),
        )

    @display(description=gettext_lazy("layer"), ordering="asked")
    def layer_and_status(self, rule: Rule) -> str:
        status = "" if rule.status == "live" else rule.get_status_display()
        return format_html(
            '<span class="rm-layer"><span class="desk-chip">{}</span>'
            '<span class="rm-quiet" title="{}">{}</span></span>{}',
            rule.get_layer_display(),
            _("priority"),
            rule.priority,
            format_html('<span class="desk-state">{}</span>', status) if status else "",
        )

    @display(description=gettext_lazy("hits, 30 days"), ordering="hits_found")
    def hits(self, rule: Rule) -> str:
        found = _of(rule)
        watched = (
            _("%(count)s in the shadow") % {"count": number(found.shadow_hits)}
            if found.shadow_hits
            else ""
        )
        if not found.hits and not found.shadow_hits:
            return NOTHING
        return format_html(
            '<span class="rm-hits"><span class="rm-count">{}</span>{}</span>'
            '<span class="rm-quiet">{}</span>',
            number(found.hits),
            daily_hits(found.daily),
            watched,
        )

    @display(description=gettext_lazy("precision"), ordering="precision_found")
    def precision(self, rule: Rule) -> str:
        if rule.layer != "intercept":
            return NOTHING
        share = _of(rule).precision
        if share.value is None:
            return format_html('<span class="rm-quiet">{}</span>', _("no verdicts yet"))
        return format_html(
            '<span class="rm-share"><strong>{}</strong> <span class="rm-quiet">{}</span></span>'
            '{}<span class="rm-quiet">{}</span>',
            percent(share.value),
            _("n = %(count)s") % {"count": number(share.whole)},
            interval_plot(share, 1 - TARGET),
            interval(share),
        )

    @display(description=gettext_lazy("false blocks"), ordering="false_found")
    def false_blocks(self, rule: Rule) -> str:
        if rule.layer != "intercept":
            return NOTHING
        found = _of(rule)
        share = found.false_blocks
        if share.value is None:
            return NOTHING
        return format_html(
            '<span class="rm-share">{} <span class="rm-quiet">{}</span></span>{}',
            percent(share.value),
            _("%(part)s of %(whole)s") % {"part": number(share.part), "whole": number(share.whole)},
            alarm_mark(found.alarm),
        )

    @display(description=gettext_lazy("last fired"), ordering="last_found")
    def last_fired(self, rule: Rule) -> str:
        at = _of(rule).last_at
        if at is None:
            return format_html('<span class="rm-quiet">{}</span>', _("never"))
        return ago(at, performance().at)

    @display(description=gettext_lazy("median release"), ordering="release_found")
    def time_to_release(self, rule: Rule) -> str:
        median = _of(rule).median_release
        return NOTHING if median is None else span(median)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The order in which rules are asked."""
        return ("asked", "priority", "key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        found = Rule.objects.annotate(asked=_ASKED).order_by(*self.get_ordering(request))
        if "o" in request.GET:
            found = found.annotate(**_sortable(performance()))
        return found.prefetch_related("rows", "actions")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Rule], search_term: str
    ) -> tuple[QuerySet[Rule], bool]:
        return matching(queryset, search_term), False

    def get_urls(self) -> list[URLPattern]:
        funnel = self.admin_site.admin_view(funnel_view(self))
        return [path("funnel/", funnel, name="rules_funnel"), *super().get_urls()]

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
        more = {"summary": summary(request)} if self.has_view_permission(request) else {}
        return super().changelist_view(request, {**(extra_context or {}), **more})


def spoken(rule: Rule) -> str:
    """A stored rule as a sentence; empty when it is not valid yet."""
    try:
        return sentence_for_rule(parse_rule(rule_as_json(rule), catalogue))
    except DocumentInvalid:
        return ""


def _of(rule: Rule) -> RulePerformance:
    return performance().of(rule.key)


def _figure(values: Mapping[str, float | None], otherwise: float) -> Coalesce:
    """A figure by rule key as a column to sort by: it is known here, not to the database."""
    known = {key: value for key, value in values.items() if value is not None}
    text = Func(
        Cast(Value(json.dumps(known)), JSONField()),
        F("key"),
        function="jsonb_extract_path_text",
        output_field=TextField(),
    )
    return Coalesce(Cast(text, FloatField()), Value(otherwise), output_field=FloatField())


def _sortable(found: Performance) -> dict[str, Coalesce]:
    rules = found.rules
    return {
        "hits_found": _figure({key: rule.hits for key, rule in rules.items()}, 0),
        "precision_found": _figure({key: rule.precision.value for key, rule in rules.items()}, -1),
        "false_found": _figure({key: rule.false_blocks.value for key, rule in rules.items()}, -1),
        "last_found": _figure(
            {key: rule.last_at.timestamp() for key, rule in rules.items() if rule.last_at}, 0
        ),
        "release_found": _figure(
            {
                key: rule.median_release.total_seconds()
                for key, rule in rules.items()
                if rule.median_release
            },
            -1,
        ),
    }
