"""Findings about what a rule names: lists, values that stand for nothing, a window gone by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.analysis.report import LEVEL_OF, Finding, RowPlace
from rules.analysis.study import Study
from rules.document import Row, Rule

_TEXT_OPERATORS = frozenset({"eq", "ne", "in", "not_in", "has_any", "has_all", "has_none"})


def references(study: Study, subjects: Iterable[int]) -> Iterator[Finding]:
    """What is wrong with the names in these rules, by themselves."""
    subjects = list(subjects)
    nothing = _Unknown(study, subjects)
    for number in subjects:
        rule = study.rules[number]
        yield from _lists(study, rule)
        yield from nothing.of(rule)
        if rule.valid_until is not None and rule.valid_until <= study.at:
            yield _finding(rule, "window_over", (), ended_at=rule.valid_until.isoformat())


def is_vacant(study: Study, row: Row) -> bool:
    """Whether the row is on a list that does not exist, or asks for one without an entry."""
    if row.op not in ("in_list", "not_in_list"):
        return False
    current = study.lists.get(row.value)
    return current is None or (row.op == "in_list" and not current.entries)


def _lists(study: Study, rule: Rule) -> Iterator[Finding]:
    found: dict[str, list[RowPlace]] = {}
    for place, row in _rows(rule):
        if is_vacant(study, row):
            found.setdefault(row.value, []).append(place)
    for key, places in found.items():
        snapshot = study.given_lists.get(key)
        if snapshot is None:
            yield _finding(rule, "missing_list", places, list=key)
        elif snapshot.entries:
            last = max(until for until in snapshot.entries.values() if until is not None)
            yield _finding(rule, "expired_list", places, list=key, expired_at=last.isoformat())
        else:
            yield _finding(rule, "empty_list", places, list=key)


class _Unknown:
    """Which texts mean nothing, asked once for each fact."""

    def __init__(self, study: Study, subjects: Iterable[int]) -> None:
        self._study = study
        self._rules = [study.rules[number] for number in subjects]
        self._unknown: dict[str, frozenset[str]] = {}

    def of(self, rule: Rule) -> Iterator[Finding]:
        """One finding for each fact of the rule compared with such a text."""
        places: dict[str, list[RowPlace]] = {}
        values: dict[str, list[str]] = {}
        for place, row in _rows(rule):
            wrong = [text for text in _texts(row) if text in self._of_fact(row.fact)]
            if wrong:
                places.setdefault(row.fact, []).append(place)
                values.setdefault(row.fact, []).extend(wrong)
        for key, wrong in values.items():
            unique = list(dict.fromkeys(wrong))
            yield _finding(rule, "unknown_value", places[key], fact=key, values=unique)

    def _of_fact(self, key: str) -> frozenset[str]:
        if key not in self._unknown:
            fact = self._study.catalogue.get(key)
            asked = frozenset(
                text
                for rule in self._rules
                for _place, row in _rows(rule)
                if row.fact == key
                for text in _texts(row)
            )
            found: frozenset[str] = frozenset()
            if fact is not None and asked:
                if fact.unknown is not None:
                    found = fact.unknown(asked) & asked
                if fact.fixed_choices is not None:
                    found |= asked - fact.fixed_choices
            self._unknown[key] = found
        return self._unknown[key]


def _texts(row: Row) -> tuple[str, ...]:
    """The texts that a row compares with; to be empty is no name."""
    if row.op not in _TEXT_OPERATORS:
        return ()
    values = row.value if isinstance(row.value, tuple) else (row.value,)
    return tuple(text for text in values if isinstance(text, str) and text)


def _rows(rule: Rule) -> Iterator[tuple[RowPlace, Row]]:
    for number, group in enumerate(rule.when):
        for place, row in enumerate(group):
            yield RowPlace(rule.key, number, place), row


def _finding(rule: Rule, kind: str, rows: Iterable[RowPlace], **detail: object) -> Finding:
    return Finding(kind, LEVEL_OF[kind], (rule.key,), rows=tuple(rows), detail=detail)
