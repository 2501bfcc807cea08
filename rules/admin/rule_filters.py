"""Finding rules: by what they say, and by how they do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from rules.facts import catalogue
from rules.models import ConditionRow, ReferenceList, Rule, RuleAction
from rules.performance import performance


class PerformanceFilter(admin.SimpleListFilter):
    """Rules that need a look."""

    title = _("performance")
    parameter_name = "performance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The ways in which a rule may stand out."""
        return [
            ("alarm", _("Above the alarm")),
            ("quiet", _("Never fired in 30 days")),
            ("judged", _("With verdicts")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> QuerySet[Rule]:
        """The rules that stand out in the chosen way."""
        found = performance()
        if self.value() == "alarm":
            return queryset.filter(key__in=found.alarming)
        if self.value() == "quiet":
            return queryset.exclude(key__in=found.fired)
        if self.value() == "judged":
            return queryset.filter(
                key__in=[key for key, rule in found.rules.items() if rule.precision.whole]
            )
        return queryset


def matching(queryset: QuerySet[Rule], search: str) -> QuerySet[Rule]:
    """Rules in which every word of the search stands.

    A word is looked for in key and name, in the keys and labels of their facts, in the values
    of conditions and the names of lists, and in what the rule does.
    """
    for word in search.split():
        queryset = queryset.filter(_says(word))
    return queryset


def _says(word: str) -> Q:
    small = word.casefold()
    facts = [fact.key for fact in catalogue.all() if small in str(fact.label).casefold()]
    lists = list(ReferenceList.objects.filter(name__icontains=word).values_list("key", flat=True))
    rows = ConditionRow.objects.filter(rule=OuterRef("pk")).annotate(
        text=Cast("value", TextField())
    )
    actions = RuleAction.objects.filter(rule=OuterRef("pk")).annotate(
        text=Cast("params", TextField())
    )
    return (
        Q(key__icontains=word)
        | Q(name__icontains=word)
        | Exists(
            rows.filter(
                Q(fact__icontains=word)
                | Q(fact__in=facts)
                | Q(text__icontains=word)
                | Q(op__in=("in_list", "not_in_list"), value__in=lists)
            )
        )
        | Exists(actions.filter(text__icontains=word))
    )
