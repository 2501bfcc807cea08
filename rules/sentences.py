"""Rules and matches as sentences, in the language in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules import live
from rules.decision import Match, MatchedRow
from rules.document import Action, Row, Rule
from rules.facts import Fact, FactType, catalogue
from rules.labels import label_of
from rules.values import exact_number, plain
from rules.wording import RISK_LABELS, SLOT_LABELS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SHOWN_VALUES = 5
_PATTERNS: dict[str, StrOrPromise] = {
    "eq": gettext_lazy("%(fact)s is %(value)s"),
    "ne": gettext_lazy("%(fact)s is not %(value)s"),
    "in": gettext_lazy("%(fact)s is one of %(value)s"),
    "not_in": gettext_lazy("%(fact)s is none of %(value)s"),
    "lt": gettext_lazy("%(fact)s is below %(value)s"),
    "lte": gettext_lazy("%(fact)s is at most %(value)s"),
    "gt": gettext_lazy("%(fact)s is above %(value)s"),
    "gte": gettext_lazy("%(fact)s is at least %(value)s"),
    "between": gettext_lazy("%(fact)s is between %(low)s and %(high)s"),
    "has_any": gettext_lazy("%(fact)s: any of %(value)s"),
    "has_all": gettext_lazy("%(fact)s: all of %(value)s"),
    "has_none": gettext_lazy("%(fact)s: none of %(value)s"),
    "contains_text": gettext_lazy("%(fact)s contains %(value)s"),
    "is_true": gettext_lazy("%(fact)s: yes"),
    "is_false": gettext_lazy("%(fact)s: no"),
    "is_missing": gettext_lazy("%(fact)s is unknown"),
    "in_list": gettext_lazy("%(fact)s is on the list %(value)s"),
    "not_in_list": gettext_lazy("%(fact)s is not on the list %(value)s"),
    "empty": gettext_lazy("%(fact)s is empty"),
    "filled": gettext_lazy("%(fact)s is not empty"),
    "includes": gettext_lazy("%(fact)s: %(value)s"),
}
_AND = gettext_lazy("%(first)s and %(then)s")
_OR = gettext_lazy("%(first)s, or %(then)s")
_VALUES = gettext_lazy("%(first)s, %(then)s")
_ACTIONS = gettext_lazy("%(first)s; %(then)s")
COUNTS_AS_HOLDING = gettext_lazy("A condition on an unknown value counts as holding.")
_SENTENCES = gettext_lazy("%(first)s %(then)s")
_SELF_EVIDENT = frozenset({"is_true", "is_false", "is_missing", "empty", "includes"})


def sentence_for_rule(rule: Rule) -> str:
    """The whole rule: if …, or …, then …."""
    groups = [_chain(_AND, [_condition(row) for row in group]) for group in rule.when]
    sentence = _("If %(conditions)s, then %(actions)s.") % {
        "conditions": _chain(_OR, groups),
        "actions": _chain(_ACTIONS, [action_phrase(action) for action in rule.then]),
    }
    missing = str(COUNTS_AS_HOLDING) if rule.is_permissive and _may_be_unknown(rule) else ""
    return run_on([sentence, missing, _window(rule)])


def _may_be_unknown(rule: Rule) -> bool:
    """Whether any condition reads a fact or a list that can be missing."""
    for row in (row for group in rule.when for row in group if row.op != "is_missing"):
        fact = catalogue.get(row.fact)
        if fact is None or not fact.always or row.op in ("in_list", "not_in_list"):
            return True
    return False


def sentence_for_match(match: Match) -> str:
    """Why the rule matched, with the values it saw; personal values are masked."""
    conditions = conditions_of_match(match)
    reason = next((action.reason for action in match.actions if action.reason), "")
    if reason:
        return _("%(conditions)s. Rule “%(rule)s”: %(reason)s") % {
            "conditions": conditions,
            "rule": match.rule_name,
            "reason": reason,
        }
    return _("%(conditions)s. Rule “%(rule)s”.") % {
        "conditions": conditions,
        "rule": match.rule_name,
    }


def conditions_of_match(match: Match) -> str:
    """The conditions that held, narrowed to the values seen; personal values are masked."""
    return capfirst(_chain(_AND, [_matched_row(row) for row in match.matched]))


def condition_phrase(row: MatchedRow) -> str:
    """What a row asks for, whether or not it held; personal values are masked."""
    fact = catalogue.get(row.fact)
    return _phrase(row.fact, row.op, row.wanted, personal=fact is not None and fact.personal)


def value_phrase(key: str, value: object) -> str:
    """A value of a fact with its unit or label; personal values are masked."""
    fact = catalogue.get(key)
    return _shown(fact, plain(value), personal=fact is not None and fact.personal)


def action_phrase(action: Action) -> str:
    """What one action does, as a clause."""
    if action.do == "hold":
        return _("hold the order as %(risk)s: %(reason)s") % {
            "risk": RISK_LABELS.get(action.risk, action.risk),
            "reason": action.reason,
        }
    if action.do == "assign":
        return _("set %(slot)s to %(value)s") % {
            "slot": SLOT_LABELS.get(action.slot, action.slot),
            "value": action.value,
        }
    if action.do == "tag":
        return _("add the tag %(tag)s") % {"tag": action.tag}
    if action.do == "effect":
        return _("do %(effect)s once") % {"effect": action.key}
    return _("push to logistics once")


def masked(text: str) -> str:
    """A personal value of which just enough is left to recognise it."""
    if text.isascii() and len(text) >= 8:
        return f"{text[:3]}****{text[-4:]}"
    return f"{text[: min(6, max(1, len(text) // 3))]}***"


def _condition(row: Row) -> str:
    return _phrase(row.fact, row.op, plain(row.value), personal=False)


def _matched_row(row: MatchedRow) -> str:
    """The condition narrowed to what was seen, else the condition and what was seen."""
    fact = catalogue.get(row.fact)
    personal = fact is not None and fact.personal
    op, wanted = row.op, row.wanted
    if row.seen is None:
        missing = _phrase(row.fact, "is_missing", None, personal=False)
        if op == "is_missing":
            return missing
        return f"{_phrase(row.fact, op, wanted, personal=personal)} ({missing})"
    if op in ("eq", "in"):
        return _phrase(row.fact, "eq", row.seen, personal=personal)
    if op in ("has_any", "has_all") and isinstance(row.seen, tuple) and isinstance(wanted, tuple):
        common = tuple(value for value in wanted if value in row.seen)
        return _phrase(row.fact, "includes", common, personal=personal)
    phrase = _phrase(row.fact, op, wanted, personal=personal)
    if op in _SELF_EVIDENT:
        return phrase
    return _("%(condition)s (here %(seen)s)") % {
        "condition": phrase,
        "seen": _shown(fact, row.seen, personal=personal),
    }


def _phrase(key: str, op: str, value: object, *, personal: bool) -> str:
    fact = catalogue.get(key)
    label = str(fact.label) if fact is not None else key
    if op in ("eq", "ne") and value == "":
        op = "empty" if op == "eq" else "filled"
    if op == "in" and isinstance(value, tuple) and len(value) == 1:
        op = "eq"
    if op in ("has_any", "has_all") and isinstance(value, tuple) and len(value) == 1:
        op = "includes"
    pattern = str(_PATTERNS.get(op, "%(fact)s"))
    if op == "between" and isinstance(value, tuple) and len(value) == 2:
        low, high = (_shown(fact, end, personal=False) for end in value)
        return pattern % {"fact": label, "low": low, "high": high}
    if op in ("in_list", "not_in_list"):
        return pattern % {"fact": label, "value": quoted(live.list_name(str(value)))}
    return pattern % {"fact": label, "value": _shown(fact, value, personal=personal)}


def _shown(fact: Fact | None, value: object, *, personal: bool) -> str:
    if isinstance(value, (tuple, list)):
        return series([_shown(fact, item, personal=personal) for item in value])
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value is None:
        return _("unknown")
    if fact is not None and fact.type.is_numeric:
        return _number(fact, value)
    text = masked(str(value)) if personal else str(value)
    label = None if personal else label_of(fact, text)
    return quoted(text) if label is None else str(label)


def _number(fact: Fact, value: object) -> str:
    number = exact_number(value)
    if number is None:
        return str(value)
    if fact.widget == "clock":
        return _clock(number)
    places = 2 if fact.type is FactType.MONEY and number % 1 else None
    text = formats.number_format(
        number if places else Decimal(str(plain(number))), places, force_grouping=number >= 10_000
    )
    # "Number of lines is at least 1 lines" says it twice.
    says_unit = str(fact.unit).casefold() in str(fact.label).casefold()
    return text if says_unit else f"{text} {fact.unit}"


def _clock(hours: Decimal) -> str:
    """Hours of a day as people read them: 22.25 is 22:15."""
    minutes = round(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def series(texts: Sequence[str]) -> str:
    """Some texts as a list in words; at most five of them."""
    if not texts:
        return _("nothing")
    joined = _chain(_VALUES, texts[:SHOWN_VALUES])
    rest = len(texts) - SHOWN_VALUES
    if rest <= 0:
        return joined
    return _("%(values)s and %(rest)d more") % {"values": joined, "rest": rest}


def _chain(pattern: StrOrPromise, texts: Sequence[str]) -> str:
    """Texts joined one after another by a pattern of two."""
    filled = str(pattern)
    return reduce(lambda first, then: filled % {"first": first, "then": then}, texts)


def run_on(sentences: Sequence[str]) -> str:
    """Sentences one after another, as the language writes them; empty ones are left out."""
    said = [sentence for sentence in sentences if sentence]
    return _chain(_SENTENCES, said) if said else ""


def quoted(text: str) -> str:
    """Text in the quotation marks of both languages."""
    return f"“{text}”"


def _window(rule: Rule) -> str:
    start, end = (_local(moment) for moment in (rule.valid_from, rule.valid_until))
    if start and end:
        return _("Valid from %(start)s until %(end)s.") % {"start": start, "end": end}
    if start:
        return _("Valid from %(start)s.") % {"start": start}
    return _("Valid until %(end)s.") % {"end": end} if end else ""


def _local(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return formats.date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")
