"""Findings about a rule by itself: groups that cannot hold, and rules that cannot match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.analysis.references import is_vacant
from rules.analysis.report import ERROR, WARNING, Finding, RowPlace
from rules.analysis.study import Study
from rules.document import Group, Rule


def contradictions(study: Study, subjects: Iterable[int]) -> Iterator[Finding]:
    """Contradictory groups with the fewest rows that show it, and rules made of nothing else.

    A group that only waits for entries of a list is no contradiction: the list has its own
    finding. What rests on the present entries of a list is a warning, the rest an error.
    """
    for number in subjects:
        rule = study.rules[number]
        holding = {group.group for group in study.groups[number]}
        found: list[Finding] = []
        with study.trying(number):
            for place in range(len(rule.when)):
                if place not in holding:
                    found += _contradiction(study, rule, place)
            yield from found
        if len(found) == len(rule.when):
            rows = tuple(row for finding in found for row in finding.rows)
            yield _finding(rule, "never_matches", None, rows)


def _contradiction(study: Study, rule: Rule, place: int) -> Iterator[Finding]:
    group = rule.when[place]
    rows = [number for number, row in enumerate(group) if not is_vacant(study, row)]
    if study.can_hold(rule, _chosen(group, rows)):
        return
    for fact in dict.fromkeys(group[number].fact for number in rows):
        least = [number for number in rows if group[number].fact == fact]
        if study.can_hold(rule, _chosen(group, least)):
            continue
        for number in list(least):
            fewer = [other for other in least if other != number]
            if fewer and not study.can_hold(rule, _chosen(group, fewer)):
                least = fewer
        places = tuple(RowPlace(rule.key, place, number) for number in least)
        yield _finding(rule, "contradictory_group", place, places)
        return


def _chosen(group: Group, rows: Iterable[int]) -> Group:
    return tuple(group[number] for number in rows)


def _finding(rule: Rule, kind: str, group: int | None, places: tuple[RowPlace, ...]) -> Finding:
    rows = [rule.when[place.group][place.row] for place in places]
    lists = sorted({row.value for row in rows if row.op in ("in_list", "not_in_list")})
    level = WARNING if lists else ERROR
    return Finding(kind, level, (rule.key,), group, places, detail={"lists": lists})
