"""Traced rules as sentences, in the language in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules.decision import Match, MatchedRow
from rules.sentences import (
    COUNTS_AS_HOLDING,
    condition_phrase,
    conditions_of_match,
    quoted,
    run_on,
    series,
    value_phrase,
)
from rules.trace import TracedRule
from rules.wording import SLOT_LABELS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_WITHOUT_A_VALUE: dict[str, StrOrPromise] = {
    "outside_window": gettext_lazy("Not matched: the time lies outside its validity."),
    "disabled": gettext_lazy("Switched off."),
}
_HELD_BUT: dict[str, StrOrPromise] = {
    "stopped": gettext_lazy(
        "Matched, but not applied: rule %(by)s in layer 1 held the order and stopped all others."
    ),
    "waived": gettext_lazy(
        "Matched, but not applied: a person has released the order from it, on the same values."
    ),
    "snoozed": gettext_lazy("Matched, but not applied: it is snoozed for this customer."),
    "shadow": gettext_lazy("Only watching: it would have acted."),
    "tag_present": gettext_lazy("Matched, but rule %(by)s had brought the same before."),
}


def trace_sentences(traced: Sequence[TracedRule]) -> list[str]:
    """One sentence a rule, in their order: why it acted, or what kept it from acting.

    Personal values are masked. Rules are named by their names.
    """
    names = {one.key: one.name for one in traced}
    return [_sentence(one, names) for one in traced]


def _sentence(one: TracedRule, names: Mapping[str, str]) -> str:
    if one.status == "draft" and one.why == "disabled":
        return _("A draft: it does not act.")
    if one.why in _WITHOUT_A_VALUE:
        return str(_WITHOUT_A_VALUE[one.why])
    if one.failed is not None:
        return _failure(one.failed, one.why)
    by = quoted(names.get(one.by, one.by))
    seen = _seen(one.match) if one.match is not None else ""
    taken = _taken(one.slots, names)
    if one.outcome == "matched" and one.why != "tag_present":
        return run_on([_("Matched."), seen, taken])
    if one.why == "slot_taken":
        return run_on([_("Matched, but not applied."), taken, seen])
    if one.why == "already_executed":
        known = _("Matched, but not applied: it was executed already, and is done once only.")
        said = _("Matched, but not applied: rule %(by)s does the same, and it is done once only.")
        return run_on([said % {"by": by} if one.by else known, seen])
    return run_on([str(_HELD_BUT[one.why]) % {"by": by}, seen])


def _failure(row: MatchedRow, why: str) -> str:
    condition = condition_phrase(row)
    if why == "list_missing":
        return _("Not matched: “%(condition)s” cannot be answered, for there is no such list.") % {
            "condition": condition
        }
    if row.seen is None:
        return _(
            "Not matched: “%(condition)s” is not met; the value is unknown, and this rule takes"
            " an unknown value as not holding."
        ) % {"condition": condition}
    return _("Not matched: “%(condition)s” is not met; the value here is %(seen)s.") % {
        "condition": condition,
        "seen": value_phrase(row.fact, row.seen),
    }


def _seen(match: Match) -> str:
    """The conditions that held, and how an unknown value among them was taken."""
    held = _("%(conditions)s.") % {"conditions": conditions_of_match(match)}
    unknown = any(row.seen is None and row.op != "is_missing" for row in match.matched)
    return run_on([held, str(COUNTS_AS_HOLDING) if unknown else ""])


def _taken(slots: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Which slots other rules have, one sentence for each such rule."""
    by_rule: dict[str, list[str]] = {}
    for slot, by in slots.items():
        by_rule.setdefault(by, []).append(str(SLOT_LABELS.get(slot, slot)))
    return run_on(
        [
            _("%(slots)s: taken by rule %(by)s before.")
            % {"slots": capfirst(series(taken)), "by": quoted(names.get(by, by))}
            for by, taken in by_rule.items()
        ]
    )
