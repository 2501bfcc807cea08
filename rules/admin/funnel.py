"""The funnel: how a day's orders went through the layers, kept up to date while it is open."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules import live
from rules.document import Rule as DocumentRule
from rules.errors import DocumentInvalid, RulesUnavailable
from rules.funnel import Funnel, Name, Stage, funnel
from rules.history import DayFlow, Standing, source
from rules.models import Rule, RuleSetState
from rules.models.rulesets import Layer
from rules.performance import shop_day
from rules.wording import LAYER_HINTS, SLOT_LABELS

POLL_SECONDS = 30
FRESH_SECONDS = 5.0
"""For so long one reading serves everybody who looks; during 双11 many do."""
KEPT_DAYS = 40

Reading = tuple[Sequence[DayFlow], Sequence[Standing]]


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A stage with its words; `slots` names the slots that no rule filled."""

    stage: Stage
    step: int
    label: str
    hint: str
    groups: tuple[tuple[str, Any], ...]
    slots: tuple[str, ...]


def funnel_view(model_admin: Any) -> Callable[[HttpRequest], HttpResponse]:
    """The page of one day, today unless `day` names another; `part` asks for its middle only."""

    def view(request: HttpRequest) -> HttpResponse:
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        today = shop_day(database_now())
        day = _asked_day(request, today)
        context = _context(day, today)
        if "part" in request.GET:
            return TemplateResponse(request, "admin/rules/_funnel.html", context)
        context |= model_admin.admin_site.each_context(request) | {
            "title": _("Funnel"),
            "content_title": _("Funnel"),
            "poll_seconds": POLL_SECONDS,
        }
        return TemplateResponse(request, "admin/rules/funnel.html", context)

    return view


def _asked_day(request: HttpRequest, today: date) -> date:
    """The day asked for; today for a day to come and for what is no day."""
    try:
        asked = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return today
    return min(asked, today)


def _context(day: date, today: date) -> dict[str, Any]:
    found, version = _drawn(day)
    return {
        "funnel": found,
        "stages": [_shown(stage, step) for step, stage in enumerate(found.stages, start=1)],
        "day": day,
        "day_name": formats.date_format(day, "l"),
        "is_today": day == today,
        "today": today,
        "before": day - timedelta(days=1) if day > date(2000, 1, 1) else None,
        "after": day + timedelta(days=1) if day < today else None,
        "version": version,
        "at": database_now(),
    }


def _drawn(day: date) -> tuple[Funnel, int]:
    """The funnel of a day, and the version whose rules are told from those long gone."""
    flows, standing = _read(day)
    rules: Sequence[DocumentRule] = ()
    version = 0
    with suppress(DocumentInvalid, RulesUnavailable):
        current = live.current()
        rules, version = current.document.rules, current.version
    return funnel(flows, standing, rules, _names(flows, rules)), version


def _names(flows: Sequence[DayFlow], rules: Sequence[DocumentRule]) -> dict[str, Name]:
    """Names and pages of the rules in force, and of others that acted as they last were."""
    keys = {rule.key for rule in rules} | {key for flow in flows for key in flow.acted}
    in_force = Rule.objects.filter(key__in=keys).exclude(ruleset__state=RuleSetState.DRAFT)
    rows = in_force.order_by("key", "-ruleset__version").distinct("key")
    return {
        key: Name(name, reverse("admin:rules_rule_change", args=[pk]))
        for key, name, pk in rows.values_list("key", "name", "pk")
    }


_readings: dict[tuple[date, str], tuple[float, Reading]] = {}


def _read(day: date) -> Reading:
    """What the history tells of a day, at most FRESH_SECONDS old."""
    language = get_language() or ""
    kept = _readings.get((day, language))
    if kept is not None and clock.monotonic() - kept[0] < FRESH_SECONDS:
        return kept[1]
    history = source()
    reading = (history.flow(day), history.standing(day))
    if len(_readings) >= KEPT_DAYS:
        _readings.clear()
    _readings[day, language] = (clock.monotonic(), reading)
    return reading


def forget() -> None:
    """Read anew at the next look."""
    _readings.clear()


def _shown(stage: Stage, step: int) -> ShownStage:
    return ShownStage(
        stage,
        step,
        str(Layer(stage.layer).label),
        str(LAYER_HINTS[stage.layer]),
        tuple((str(SLOT_LABELS.get(each.slot, each.slot)), each) for each in stage.groups),
        tuple(str(SLOT_LABELS[slot]) for slot in stage.unused_slots),
    )
