"""Findings about rules that earlier rules leave nothing: shadowed, and never reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from rules.analysis.report import LEVEL_OF, Finding
from rules.analysis.search import Values
from rules.analysis.study import Case, Study, Unproved

FEW = 14
"""So many candidates at most are tried two by two for the smallest cover."""


def covering(study: Study, subjects: Iterable[int]) -> Iterator[Finding]:
    """Rules all of whose orders earlier rules take, or a rule of layer 1 stops.

    A rule that merely repeats the one that takes its orders is not called shadowed as well:
    it is a duplicate.
    """
    for number in subjects:
        if not study.acts(number):
            continue
        with study.trying(number):
            yield from _Subject(study, number).findings()


class _Subject:
    """One rule, and what is left to it."""

    def __init__(self, study: Study, number: int) -> None:
        self.study = study
        self.number = number
        self.rule = study.rules[number]
        self.stops = [] if self.rule.layer == "intercept" else study.layers.get("intercept", [])

    def findings(self) -> list[Finding]:
        """What is to be said about the rule."""
        takers = self._takers()
        # Most rules keep orders of their own everywhere, and one question a place shows it.
        settled = [
            place for place, rules in takers.items() if self._takes([*self.stops, *rules], set())
        ]
        covers = {place: self._cover(takers[place]) for place in settled}
        taken = {place: cover for place, cover in covers.items() if cover}
        found: list[Finding] = []
        if taken and not self._repeats(taken):
            found += self._shadowed(taken, all_of_it=len(taken) == len(takers))
        if len(settled) < len(takers):
            return found
        stopped = self._cover(self.stops)
        if stopped:
            found.append(self._unreachable(stopped))
        elif len(taken) < len(takers):
            together = {
                number
                for place, cover in covers.items()
                for number in cover or self._cover([*self.stops, *takers[place]])
            }
            found.append(self._unreachable(sorted(together)))
        return found

    def _repeats(self, taken: dict[str, list[int]]) -> bool:
        """Whether the one rule that takes everything is this rule over again."""
        others = {number for cover in taken.values() for number in cover}
        return (
            all(
                self.study.actions[it] == self.study.actions[self.number]
                and self.study.within(it, self.number)
                for it in others
            )
            and len(others) == 1
        )

    def _takers(self) -> dict[str, list[int]]:
        """For each thing of which only the first gets its way, the earlier rules that ask it."""
        earlier = [it for it in self.study.layers.get(self.rule.layer, []) if it < self.number]
        if self.rule.layer == "allocate":
            slots = self.study.slots
            return {
                slot: [it for it in earlier if slot in slots[it]] for slot in slots[self.number]
            }
        return {} if self.rule.layer == "tag" else {"": earlier}

    def _cover(self, rules: Sequence[int]) -> list[int]:
        """As few of `rules` as take every order of this one; none if they do not."""
        used: set[int] = set()
        if not self._takes(rules, used):
            return []
        candidates = [number for number in rules if number in used]
        sizes = (1, 2) if len(candidates) <= FEW else (1,)
        for size in sizes:
            for few in combinations(candidates, size):
                if self._takes(few, set()):
                    return list(few)
        least = candidates
        for number in reversed(candidates):
            fewer = [it for it in least if it != number]
            if len(fewer) < len(least) and self._takes(fewer, set()):
                least = fewer
        return least

    def _takes(self, rules: Sequence[int], used: set[int]) -> bool:
        return bool(rules) and all(
            self.study.values([group], rules, used=used) is None
            for group in self.study.groups[self.number]
        )

    def _shadowed(self, taken: dict[str, list[int]], *, all_of_it: bool) -> Iterator[Finding]:
        if not all_of_it:
            for slot, cover in taken.items():
                yield self._finding("shadowed_slot", cover, slot, self._order(cover, [slot]))
            return
        cover = sorted({number for rules in taken.values() for number in rules})
        slots = [slot for slot in taken if slot]
        yield self._finding(
            "shadowed",
            cover,
            slots[0] if len(slots) == 1 else "",
            self._order(cover, list(taken)),
            slots={slot: self._keys(taken[slot]) for slot in slots},
        )

    def _unreachable(self, cover: list[int]) -> Finding:
        def proves(case: Case) -> bool:
            return self.study.matches(self.number, case) and not self._acted(case)

        return self._finding("unreachable", cover, "", self._example(cover, proves))

    def _acted(self, case: Case) -> bool:
        decision = self.study.decide(case)
        return any(match.rule_key == self.rule.key for match in decision.matches)

    def _order(self, cover: list[int], places: list[str]) -> Case:
        """An order of this rule that another takes; one that nothing stops, if there is one."""

        def proves(case: Case) -> bool:
            return self.study.matches(self.number, case) and any(
                self.study.matches(number, case) for number in cover
            )

        def shows(case: Case) -> bool:
            decision = self.study.decide(case)
            if decision.intercept is not None:
                return self.rule.layer == "intercept" and proves(case)
            takers = [decision.slots[place][1] for place in places if place in decision.slots]
            return self.rule.key not in takers and proves(case)

        if self.stops:
            values = next(self._free(self.stops), None)
            if values is not None:
                return self.study.case(values, [self.number, *cover], shows)
        return self._example(cover, proves)

    def _free(self, against: Sequence[int]) -> Iterator[Values]:
        for group in self.study.groups[self.number]:
            values = self.study.values([group], against)
            if values is not None:
                yield values

    def _example(self, cover: list[int], proves: Callable[[Case], bool]) -> Case:
        values = next(self._free(()), None)
        if values is None:
            raise Unproved
        return self.study.case(values, [self.number, *cover], proves)

    def _keys(self, numbers: Iterable[int]) -> list[str]:
        return [self.study.rules[number].key for number in numbers]

    def _finding(
        self, kind: str, cover: list[int], slot: str, case: Case, **detail: object
    ) -> Finding:
        taker = next((it for it in cover if self.study.matches(it, case)), None)
        by = self.study.rules[taker].key if taker is not None else ""
        return Finding(
            kind,
            LEVEL_OF[kind],
            (self.rule.key, *self._keys(cover)),
            slot=slot,
            detail={"taken_by": by, **detail},
            witness=case.as_json(),
            at=case.at,
        )
