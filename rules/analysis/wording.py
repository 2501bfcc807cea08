"""Findings in words, in the language in force: what happens, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from rules import live
from rules.analysis.report import ERROR, INFO, WARNING, Finding
from rules.decision import MatchedRow
from rules.document import Document, Rule
from rules.facts import catalogue
from rules.sentences import condition_phrase, quoted
from rules.values import plain
from rules.wording import SLOT_LABELS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LEVEL_LABELS: dict[str, StrOrPromise] = {
    ERROR: pgettext_lazy("finding", "error"),
    WARNING: pgettext_lazy("finding", "warning"),
    INFO: pgettext_lazy("finding", "remark"),
}
KIND_LABELS: dict[str, StrOrPromise] = {
    "contradictory_group": pgettext_lazy("finding", "contradictory conditions"),
    "never_matches": pgettext_lazy("finding", "never matches"),
    "missing_list": pgettext_lazy("finding", "missing list"),
    "shadowed": pgettext_lazy("finding", "shadowed"),
    "shadowed_slot": pgettext_lazy("finding", "shadowed in one slot"),
    "equal_priority": pgettext_lazy("finding", "equal priority"),
    "duplicate": pgettext_lazy("finding", "duplicate"),
    "unreachable": pgettext_lazy("finding", "unreachable"),
    "empty_list": pgettext_lazy("finding", "empty list"),
    "expired_list": pgettext_lazy("finding", "expired list"),
    "unknown_value": pgettext_lazy("finding", "unknown value"),
    "window_over": pgettext_lazy("finding", "window over"),
    "gap": pgettext_lazy("finding", "gap"),
    "overlap": pgettext_lazy("finding", "overlap"),
    "windows_apart": pgettext_lazy("finding", "windows apart"),
}
SHOWN = 5
_NAMES = gettext_lazy("%(first)s, %(then)s")
_CONDITIONS = gettext_lazy("%(first)s; %(then)s")


def sentence_for_finding(finding: Finding, document: Document) -> str:
    """The finding in a sentence or two, naming rules by the names they have in `document`."""
    rules = {rule.key: rule for rule in document.rules}
    return _SENTENCES[finding.kind](finding, rules)


Rules = Mapping[str, Rule]


def _contradictory(finding: Finding, rules: Rules) -> str:
    words = {
        "rule": _name(finding.rules[0], rules),
        "group": (finding.group or 0) + 1,
        "conditions": _conditions(finding, rules),
    }
    if len(finding.rows) == 1:
        text = _(
            "In rule %(rule)s, group %(group)d, this can never hold: %(conditions)s. "
            "Change or remove the condition."
        )
    else:
        text = _(
            "In rule %(rule)s, group %(group)d, these can never hold together: %(conditions)s. "
            "Change or remove one of them."
        )
    return " ".join(part for part in (text % words, _as_listed(finding)) if part)


def _never(finding: Finding, rules: Rules) -> str:
    text = _(
        "Rule %(rule)s can never match an order: each of its groups contradicts itself. "
        "Correct its conditions or switch it off."
    ) % {"rule": _name(finding.rules[0], rules)}
    return " ".join(part for part in (text, _as_listed(finding)) if part)


def _shadowed(finding: Finding, rules: Rules) -> str:
    words = _subject_and_others(finding, rules)
    layer = rules[finding.rules[0]].layer if finding.rules[0] in rules else ""
    if layer == "allocate":
        return (
            _(
                "Rule %(rule)s never decides anything: for every order it matches, what it sets "
                "is set first by %(others)s. Move it up, narrow the others, or remove it."
            )
            % words
        )
    if layer == "dispatch":
        return (
            _(
                "Rule %(rule)s never acts: every order it matches is pushed to logistics first "
                "by %(others)s. Remove one of them, or narrow the others."
            )
            % words
        )
    return (
        _(
            "Rule %(rule)s never acts: every order it matches is held first by %(others)s. "
            "Move it up, narrow the others, or remove it."
        )
        % words
    )


def _shadowed_slot(finding: Finding, rules: Rules) -> str:
    return _(
        "Rule %(rule)s never decides the %(slot)s: for every order it matches, it is set first "
        "by %(others)s. Move the rule up, or drop this action from it."
    ) % (_subject_and_others(finding, rules) | {"slot": _slot(finding.slot)})


def _equal_priority(finding: Finding, rules: Rules) -> str:
    values = finding.detail["values"]
    first, second = finding.rules
    words = {
        "first": _name(first, rules),
        "second": _name(second, rules),
        "slot": _slot(finding.slot),
        "one": quoted(str(_of(values, first))),
        "other": quoted(str(_of(values, second))),
        "priority": finding.detail["priority"],
    }
    if finding.detail["decides"]:
        return (
            _(
                "Rules %(first)s and %(second)s can match one order at the same priority "
                "(%(priority)s), and want %(one)s and %(other)s for the %(slot)s. Only the "
                "alphabet of their keys lets %(first)s win. Give them different priorities."
            )
            % words
        )
    return (
        _(
            "Rules %(first)s and %(second)s can match one order at the same priority "
            "(%(priority)s), and want %(one)s and %(other)s for the %(slot)s. Today such an "
            "order is always held or decided before. Give them different priorities all the same."
        )
        % words
    )


def _duplicate(finding: Finding, rules: Rules) -> str:
    return _(
        "Rule %(rule)s does for the very same orders just what %(others)s does. Remove one of them."
    ) % _subject_and_others(finding, rules)


def _unreachable(finding: Finding, rules: Rules) -> str:
    words = _subject_and_others(finding, rules)
    layers = {rules[key].layer for key in finding.rules[1:] if key in rules}
    if layers <= {"intercept"}:
        return (
            _(
                "Rule %(rule)s never acts: every order it matches is held before by %(others)s. "
                "Narrow what holds them, or remove the rule."
            )
            % words
        )
    return (
        _(
            "Rule %(rule)s never acts: every order it matches is either held or already decided, "
            "by %(others)s. Narrow the others, or remove the rule."
        )
        % words
    )


def _empty_list(finding: Finding, rules: Rules) -> str:
    return _(
        "Rule %(rule)s asks for the list %(list)s, which has no entry, so that the condition "
        "never holds. Add entries, or remove the condition."
    ) % _rule_and_list(finding, rules)


def _expired_list(finding: Finding, rules: Rules) -> str:
    return _(
        "Rule %(rule)s asks for the list %(list)s, whose entries have all expired, so that the "
        "condition never holds. Renew the entries, or remove the condition."
    ) % _rule_and_list(finding, rules)


def _missing_list(finding: Finding, rules: Rules) -> str:
    return _(
        "Rule %(rule)s asks for the list %(list)s, which does not exist. "
        "Create it, or choose another."
    ) % _rule_and_list(finding, rules)


def _unknown_value(finding: Finding, rules: Rules) -> str:
    key = str(finding.detail["fact"])
    fact = catalogue.get(key)
    return _(
        "Rule %(rule)s compares “%(fact)s” with what does not exist: %(values)s. "
        "Correct or remove it."
    ) % {
        "rule": _name(finding.rules[0], rules),
        "fact": fact.label if fact is not None else key,
        "values": _series(quoted(str(value)) for value in _many(finding.detail["values"])),
    }


def _window_over(finding: Finding, rules: Rules) -> str:
    ended = datetime.fromisoformat(str(finding.detail["ended_at"]))
    return _(
        "Rule %(rule)s has not been valid since %(end)s and will never act again. "
        "Give it a new window, or remove it."
    ) % {
        "rule": _name(finding.rules[0], rules),
        "end": formats.date_format(timezone.localtime(ended), "SHORT_DATETIME_FORMAT"),
    }


def _gap(finding: Finding, rules: Rules) -> str:
    if finding.detail["layer"] == "dispatch":
        return _(
            "There are orders that nothing holds and no rule pushes to logistics. "
            "If they should go out by themselves, add a rule for them."
        )
    return _(
        "There are orders that nothing holds and to which no rule gives the %(slot)s, so that "
        "they get the default. If that is not meant, add a rule for the rest."
    ) % {"slot": _slot(finding.slot)}


def _overlap(finding: Finding, rules: Rules) -> str:
    first, second = finding.rules
    words = {"first": _name(first, rules), "second": _name(second, rules)}
    slots = [_slot(str(slot)) for slot in _many(finding.detail["slots"])]
    if slots:
        return _(
            "Rules %(first)s and %(second)s share orders. %(first)s comes first and decides: "
            "%(slots)s."
        ) % (words | {"slots": _series(slots)})
    return (
        _("Rules %(first)s and %(second)s share orders. %(first)s comes first and holds them.")
        % words
    )


def _windows_apart(finding: Finding, rules: Rules) -> str:
    second, first = finding.rules
    words = {
        "first": _name(first, rules),
        "second": _name(second, rules),
        "slot": _slot(finding.slot),
    }
    if finding.detail["would"] == "equal_priority":
        return (
            _(
                "Rules %(first)s and %(second)s are never valid at the same time. If they were, "
                "they would tie for the %(slot)s at equal priority."
            )
            % words
        )
    return (
        _(
            "Rules %(first)s and %(second)s are never valid at the same time. If they were, "
            "%(first)s would take every order of %(second)s."
        )
        % words
    )


_SENTENCES: dict[str, Callable[[Finding, Rules], str]] = {
    "contradictory_group": _contradictory,
    "never_matches": _never,
    "missing_list": _missing_list,
    "shadowed": _shadowed,
    "shadowed_slot": _shadowed_slot,
    "equal_priority": _equal_priority,
    "duplicate": _duplicate,
    "unreachable": _unreachable,
    "empty_list": _empty_list,
    "expired_list": _expired_list,
    "unknown_value": _unknown_value,
    "window_over": _window_over,
    "gap": _gap,
    "overlap": _overlap,
    "windows_apart": _windows_apart,
}


def _as_listed(finding: Finding) -> str:
    lists = [quoted(live.list_name(str(key))) for key in _many(finding.detail.get("lists", ()))]
    if not lists:
        return ""
    return _("That rests on the present entries of: %(lists)s.") % {"lists": _series(lists)}


def _conditions(finding: Finding, rules: Rules) -> str:
    phrases = []
    for place in finding.rows:
        row = rules[place.rule].when[place.group][place.row]
        phrases.append(condition_phrase(MatchedRow(row.fact, row.op, plain(row.value), None)))
    return _series(phrases, between=_CONDITIONS)


def _subject_and_others(finding: Finding, rules: Rules) -> dict[str, object]:
    return {
        "rule": _name(finding.rules[0], rules),
        "others": _series(_name(key, rules) for key in finding.rules[1:]),
    }


def _rule_and_list(finding: Finding, rules: Rules) -> dict[str, str]:
    return {
        "rule": _name(finding.rules[0], rules),
        "list": quoted(live.list_name(str(finding.detail["list"]))),
    }


def _name(key: str, rules: Rules) -> str:
    return quoted(rules[key].name if key in rules and rules[key].name else key)


def _slot(slot: str) -> str:
    return str(SLOT_LABELS.get(slot, slot))


def _of(values: object, key: str) -> object:
    return values[key] if isinstance(values, Mapping) else ""


def _many(values: object) -> Sequence[object]:
    return values if isinstance(values, (list, tuple)) else ()


def _series(texts: Iterable[str], between: StrOrPromise = _NAMES) -> str:
    """The first few texts one after another, and how many more there are."""
    chosen = list(texts)
    joined = chosen[0] if chosen else ""
    for text in chosen[1:SHOWN]:
        joined = str(between) % {"first": joined, "then": text}
    rest = len(chosen) - SHOWN
    if rest <= 0:
        return joined
    return _("%(values)s and %(rest)d more") % {"values": joined, "rest": rest}
