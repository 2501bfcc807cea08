"""Reads condition rows: does the fact exist, does the operator fit it, is the value one."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from rules.conditions import OPERATORS, Operator, Takes
from rules.document import Group, Row
from rules.facts import Catalogue, Fact, FactType
from rules.problems import Problems, join, shown
from rules.values import exact_number

MAX_GROUPS = 50
MAX_ROWS = 50
MAX_VALUES = 1_000


def read_groups(
    raw: object,
    path: str,
    catalogue: Catalogue,
    known_lists: Collection[str] | None,
    found: Problems,
) -> tuple[Group, ...]:
    """The OR of AND groups of a rule; errors go to `found`."""
    if not isinstance(raw, list):
        found.add(path, "wrong_type", _("Expected a list of groups."))
        return ()
    if not raw:
        found.add(path, "no_groups", _("A rule needs at least one group of conditions."))
    if len(raw) > MAX_GROUPS:
        found.add(path, "too_many_groups", _("At most %(limit)d groups.") % {"limit": MAX_GROUPS})
        return ()
    groups: list[Group] = []
    for number, group in enumerate(raw):
        where = f"{path}[{number}]"
        if not isinstance(group, list):
            found.add(where, "wrong_type", _("Expected a list of conditions."))
        elif not group:
            found.add(where, "empty_group", _("A group needs at least one condition."))
        elif len(group) > MAX_ROWS:
            found.add(
                where, "too_many_rows", _("At most %(limit)d conditions.") % {"limit": MAX_ROWS}
            )
        else:
            rows = [
                _read_row(row, f"{where}[{place}]", catalogue, known_lists, found)
                for place, row in enumerate(group)
            ]
            groups.append(tuple(row for row in rows if row is not None))
    return tuple(groups)


def _read_row(
    raw: object,
    path: str,
    catalogue: Catalogue,
    known_lists: Collection[str] | None,
    found: Problems,
) -> Row | None:
    members = found.members(raw, path, ("fact", "op"), ("value",))
    if members is None:
        return None
    fact, operator = None, None
    if "fact" in members:
        key = members["fact"]
        fact = catalogue.get(key) if isinstance(key, str) else None
        if fact is None:
            found.add(
                join(path, "fact"),
                "unknown_fact",
                _("There is no fact “%(fact)s”.") % {"fact": shown(key)},
            )
    if "op" in members:
        name = members["op"]
        operator = OPERATORS.get(name) if isinstance(name, str) else None
        if operator is None:
            found.add(
                join(path, "op"),
                "unknown_operator",
                _("There is no operator “%(operator)s”.") % {"operator": shown(name)},
            )
    if fact is None or operator is None:
        return None
    if fact.type not in operator.fits:
        found.add(
            join(path, "op"),
            "operator_does_not_fit",
            _("The operator “%(operator)s” does not fit “%(fact)s”.")
            % {"operator": operator.label, "fact": fact.label},
        )
        return None
    where = join(path, "value")
    value = _read_value(members.get("value"), where, fact, operator, known_lists, found)
    return Row(fact.key, operator.name, value)


def _read_value(
    raw: object,
    path: str,
    fact: Fact,
    operator: Operator,
    known_lists: Collection[str] | None,
    found: Problems,
) -> Any:
    if operator.takes is Takes.NOTHING:
        if raw is not None:
            found.add(path, "unexpected_value", _("This operator takes no value."))
        return None
    if raw is None:
        found.add(path, "missing_field", _("This field is required."))
        return None
    if operator.takes is Takes.LIST:
        key = found.slug(raw, path)
        if key and known_lists is not None and key not in known_lists:
            found.add(
                path, "unknown_list", _("There is no list “%(list)s”.") % {"list": shown(key)}
            )
        return key
    if operator.takes is Takes.ONE:
        return _read_one(raw, path, fact, found, blank=operator.name in ("eq", "ne"))
    return _read_many(raw, path, fact, operator, found)


def _read_many(raw: object, path: str, fact: Fact, operator: Operator, found: Problems) -> Any:
    if not isinstance(raw, list):
        found.add(path, "wrong_type", _("Expected a list of values."))
        return ()
    if len(raw) > MAX_VALUES:
        found.add(path, "too_many_values", _("At most %(limit)d values.") % {"limit": MAX_VALUES})
        return ()
    if operator.takes is Takes.RANGE:
        return _read_range(raw, path, fact, found)
    if not raw:
        found.add(path, "no_values", _("At least one value is needed."))
    read = (
        _read_one(value, f"{path}[{place}]", fact, found, blank=False)
        for place, value in enumerate(raw)
    )
    return tuple(dict.fromkeys(value for value in read if value is not None))


def _read_range(raw: list[object], path: str, fact: Fact, found: Problems) -> Any:
    if len(raw) != 2:
        found.add(path, "bad_range", _("A range is two numbers: from and to."))
        return ()
    ends = [
        _read_one(value, f"{path}[{place}]", fact, found, blank=False)
        for place, value in enumerate(raw)
    ]
    if all(isinstance(end, Decimal) for end in ends) and ends[0] > ends[1]:
        found.add(path, "between_reversed", _("The range is reversed: from is above to."))
    return tuple(ends)


def _read_one(raw: object, path: str, fact: Fact, found: Problems, *, blank: bool) -> Any:
    if fact.type.is_numeric:
        number = exact_number(raw)
        if number is None:
            found.add(path, "wrong_type", _("Expected a number."))
        return number
    if fact.type is FactType.BOOL:
        if isinstance(raw, bool):
            return raw
        found.add(path, "wrong_type", _("Expected true or false."))
        return None
    if not isinstance(raw, str):
        found.add(path, "wrong_type", _("Expected text."))
        return None
    before = len(found.errors)
    text = found.text(raw, path, blank=blank)
    if len(found.errors) > before:
        return None
    allowed = fact.fixed_choices
    if allowed is not None and text not in allowed:
        found.add(
            path,
            "unknown_choice",
            _("“%(value)s” is not a choice of “%(fact)s”.")
            % {"value": shown(text), "fact": fact.label},
        )
    return text
