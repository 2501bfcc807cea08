"""What the rule form's script needs to know: facts, operators, lists, slots and words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rules.admin.rule_words import form_words
from rules.conditions import OPERATORS
from rules.document import LAYERS, SLOTS
from rules.facts import Fact, FactType, catalogue
from rules.models import ReferenceList, Rule, RuleAction, RuleSet, RuleSetState
from rules.slots import slot_options
from rules.wording import LAYER_HINTS

CAMPAIGNS = (("618", (6, 1), (6, 21)), ("double11", (10, 20), (11, 12)))
"""Campaigns by key: first day, and the day after the last, as (month, day) of the shop."""


def form_guide(ruleset: RuleSet | None) -> dict[str, Any]:
    """Everything the script offers; `ruleset` is the version in which the rule is asked."""
    return {
        "facts": {fact.key: _fact(fact) for fact in catalogue.all()},
        "takes": {op.name: op.takes.value for op in OPERATORS.values()},
        "lists": _lists(),
        "slots": {slot: slot_options(slot) for slot in SLOTS},
        "used": _used(),
        "rules": _asked(ruleset),
        "layerHints": {layer: str(hint) for layer, hint in LAYER_HINTS.items()},
        "campaigns": campaigns(timezone.localdate()),
        "currency": "¥" if settings.CURRENCY == "CNY" else settings.CURRENCY,
        "choicesUrl": reverse("admin:rules_rule_choices"),
        "words": form_words(),
    }


def campaigns(today: date) -> list[dict[str, str]]:
    """The next time of each campaign, this year's until it is over, for date-time inputs."""
    found = []
    for key, (month, day), (end_month, end_day) in CAMPAIGNS:
        over = date(today.year, end_month, end_day)
        year = today.year if today < over else today.year + 1
        start, end = date(year, month, day), date(year, end_month, end_day)
        found.append(
            {"key": key, "label": _campaign(key), "from": f"{start}T00:00", "until": f"{end}T00:00"}
        )
    return found


def fact_choices(key: str) -> list[list[str]]:
    """The (value, label) pairs of one fact; empty for a fact that takes any text or is unknown."""
    fact = catalogue.get(key)
    return _pairs(fact.options()) if fact is not None else []


def _fact(fact: Fact) -> dict[str, Any]:
    """`options` is null where they live in the database and are asked for when needed."""
    return {
        "label": str(fact.label),
        "type": fact.type.value,
        "unit": str(fact.unit),
        "widget": fact.widget,
        "options": None if callable(fact.choices) else _pairs(fact.options()),
        "isOpen": fact.fixed_choices is None,
        "operators": _operators(fact),
    }


def _operators(fact: Fact) -> list[str]:
    """Those that fit; a yes or no is asked with one word instead of two."""
    fitting = [op.name for op in OPERATORS.values() if fact.type in op.fits]
    if fact.type is FactType.BOOL:
        fitting.sort(key=lambda name: name in ("eq", "ne"))
    elif fact.type is FactType.TEXT or fact.type is FactType.CHOICE:
        fitting.sort(key=lambda name: name not in ("in", "not_in"))
    return fitting


def _pairs(options: Iterable[tuple[str, object]]) -> list[list[str]]:
    return [[value, str(label)] for value, label in options]


def _lists() -> dict[str, Any]:
    counting = Q(entries__expires_at__isnull=True) | Q(entries__expires_at__gt=Now())
    found = ReferenceList.objects.annotate(
        counting=Count("entries", filter=counting), total=Count("entries")
    ).order_by("name", "key")
    entries = reverse("admin:rules_listentry_changelist")
    return {
        each.key: {
            "name": each.name,
            "entries": _list_size(each.counting, each.total - each.counting),
            "isEmpty": not each.counting,
            "url": f"{entries}?list__id__exact={each.pk}",
        }
        for each in found
    }


def _list_size(counting: int, expired: int) -> str:
    entries = ngettext("%(count)d entry", "%(count)d entries", counting) % {"count": counting}
    if expired:
        return _("%(entries)s, %(expired)d expired") % {"entries": entries, "expired": expired}
    return entries


def _used() -> dict[str, list[str]]:
    """Tags, effects and lanes that rules name already."""
    params = RuleAction.objects.filter(
        do__in=("tag", "effect", "assign"),
        rule__ruleset__state__in=(RuleSetState.DRAFT, RuleSetState.LIVE),
    ).values_list("do", "params")
    used: dict[str, set[str]] = {"tag": set(), "effect": set(), "lane": set()}
    for do, given in params:
        if do == "tag":
            used["tag"].add(str(given.get("tag", "")))
        elif do == "effect":
            used["effect"].add(str(given.get("key", "")))
        elif given.get("slot") == "lane":
            used["lane"].add(str(given.get("value", "")))
    return {kind: sorted(values - {""}) for kind, values in used.items()}


def _asked(ruleset: RuleSet | None) -> dict[str, list[dict[str, Any]]]:
    """The rules of the version by layer, in the order in which they are asked."""
    found: dict[str, list[dict[str, Any]]] = {layer: [] for layer in LAYERS}
    if ruleset is not None:
        rules = Rule.objects.filter(ruleset=ruleset).order_by("priority", "key")
        for each in rules.values("pk", "key", "name", "layer", "priority", "status"):
            shown = {name: each[name] for name in ("key", "name", "priority", "status")}
            address = reverse("admin:rules_rule_change", args=[each["pk"]])
            found[each["layer"]].append({**shown, "url": address})
    return found


def _campaign(key: str) -> str:
    return _("Double 11") if key == "double11" else key
