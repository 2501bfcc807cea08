"""The page on which a backtest begins: which rules, which period, which number to move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules.decision import MatchedRow
from rules.document import Document, Row, Rule
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document
from rules.sentences import condition_phrase
from rules.storage import ruleset_as_json
from rules.sweep import is_swept
from rules.values import plain

PERIODS = (
    ("7", gettext_lazy("last 7 days")),
    ("30", gettext_lazy("last 30 days")),
    ("90", gettext_lazy("last 90 days")),
    ("own", gettext_lazy("from – to")),
)
VERSIONS_OFFERED = 50


@dataclass(frozen=True)
class Offer:
    """The versions that can be tried, and the one that is."""

    versions: list[RuleSet]
    tried: RuleSet | None
    live: RuleSet | None

    @classmethod
    def of(cls, asked: str | None) -> Offer:
        """By default the draft, without one the watching version, without one the live one."""
        versions = list(RuleSet.objects.defer("document").order_by("-version")[:VERSIONS_OFFERED])
        by_state = {found.state: found for found in reversed(versions)}
        tried = next((found for found in versions if str(found.version) == asked), None)
        for state in (RuleSetState.DRAFT, RuleSetState.SHADOW, RuleSetState.LIVE):
            tried = tried or by_state.get(state)
        return cls(versions, tried, by_state.get(RuleSetState.LIVE))

    @cached_property
    def document(self) -> Document | None:
        """The rules of the version tried; None while they contain an error."""
        if self.tried is None:
            return None
        try:
            return parse_document(ruleset_as_json(self.tried), catalogue)
        except DocumentInvalid:
            return None


def _day() -> forms.DateInput:
    """The browser's own calendar, which takes ISO dates whatever the language."""
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class BacktestForm(forms.Form):
    """What the start page sends; days are days of the shop, both included."""

    base = forms.ChoiceField(required=False)
    period = forms.ChoiceField(choices=PERIODS, initial="30", widget=forms.RadioSelect)
    first_day = forms.DateField(required=False, widget=_day())
    last_day = forms.DateField(required=False, widget=_day())
    sweep = forms.ChoiceField(required=False)
    values = forms.CharField(required=False, max_length=1000)
    title = forms.CharField(required=False, max_length=200)

    def __init__(self, data: Mapping[str, Any] | None, offer: Offer, rule_key: str = "") -> None:
        conditions = sweep_choices(offer.document, rule_key)
        first = next((choices[0][0] for _name, choices in conditions), "") if rule_key else ""
        today = timezone.localtime(timezone=ZoneInfo(settings.SHOP_TIME_ZONE)).date()
        initial = {"sweep": first, "first_day": today - timedelta(days=30), "last_day": today}
        super().__init__(data, initial=initial)
        self.offer, self.today = offer, today
        choice(self, "base").choices = [
            (str(found.version), version_label(found))
            for found in offer.versions
            if found.state != RuleSetState.DRAFT
        ]
        if offer.live is not None:
            choice(self, "base").initial = str(offer.live.version)
        choice(self, "sweep").choices = [("", _("no number")), *conditions]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("period") == "own":
            for name in ("first_day", "last_day"):
                if not given.get(name) and name not in self.errors:
                    self.add_error(name, _("This field is required."))
        return given

    def arguments(self) -> dict[str, Any]:
        """What `request_backtest` takes beside the rules."""
        given = self.cleaned_data
        since, until = self._period(given)
        base = given["base"]
        return {
            "since": since,
            "until": until,
            "base": int(base) if base else None,
            "sweep": _plan(given["sweep"], given["values"]),
            "title": given["title"].strip(),
        }

    def _period(self, given: Mapping[str, Any]) -> tuple[datetime, datetime]:
        if given["period"] == "own":
            return _start(given["first_day"]), _start(given["last_day"] + timedelta(days=1))
        days = int(given["period"])
        return _start(self.today - timedelta(days=days - 1)), _start(self.today, days=1)


def _start(day: date, days: int = 0) -> datetime:
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    return datetime.combine(day + timedelta(days=days), time(), zone)


def choice(form: forms.Form, name: str) -> forms.ChoiceField:
    """A choice field of the form."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    return field


def version_label(ruleset: RuleSet) -> str:
    """A version in a choice: v5 · Draft · note."""
    parts = [str(ruleset), str(RuleSetState(ruleset.state).label), ruleset.note[:40]]
    return " · ".join(part for part in parts if part)


def sweep_choices(
    document: Document | None, first_rule: str = ""
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Per live rule its numeric conditions as (place, words); `first_rule` leads."""
    rules = [rule for rule in document.rules if rule.status == "live"] if document else []
    rules.sort(key=lambda rule: rule.key != first_rule)
    offered = [(rule.name, _conditions(rule)) for rule in rules]
    return [(name, conditions) for name, conditions in offered if conditions]


def _conditions(rule: Rule) -> list[tuple[str, str]]:
    found = []
    for group, rows in enumerate(rule.when):
        for place, row in enumerate(rows):
            if is_swept(row):
                key = f"{rule.key}:{group}:{place}"
                words = phrase(row)
                if row.op == "between":
                    found.append((f"{key}:low", f"{words} · {_('lower end')}"))
                    found.append((f"{key}:high", f"{words} · {_('upper end')}"))
                else:
                    found.append((f"{key}:", words))
    return found


def phrase(row: Row) -> str:
    """A condition in words."""
    return condition_phrase(MatchedRow(row.fact, row.op, plain(row.value), None))


def _plan(place: str, values: str) -> dict[str, object] | None:
    if not place:
        return None
    rule, group, row, end = place.split(":")
    plan: dict[str, object] = {"rule": rule, "group": int(group), "row": int(row)}
    if end:
        plan["end"] = end
    numbers = values.replace("，", ",").replace("、", ",").replace(";", ",").split(",")
    if given := [number.strip() for number in numbers if number.strip()]:
        plan["values"] = given
    return plan
