"""Tried rules against base rules over history: what would have gone otherwise, counted.

Pure: records go in, what is needed of other tables is given, and the result comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from rules.batch import Numbered, Winners
from rules.changes import EXAMPLES, ROUTE_EXAMPLES, Tally, classes_of
from rules.conditions import ListSnapshot
from rules.counted import Counted
from rules.document import Document
from rules.estimates import share
from rules.facts import Catalogue
from rules.group_index import GroupIndex
from rules.history import Case, Record, Verdict
from rules.sweep import Sweep, SweepPlan

_NOTHING = Decimal(0)
REMEMBERED = 32_768
"""Different outcomes kept apart before they are added up, so that memory stays bounded."""


class Backtest:
    """Takes batches of records; `take` names the cases whose amount `settle` then needs.

    `lists` are as they are now: history does not keep what was on them then. Verdicts of one
    case count once, as right when any of them says so.
    """

    def __init__(
        self,
        base: Document,
        tried: Document,
        lists: Mapping[str, ListSnapshot],
        catalogue: Catalogue,
        *,
        verdicts: Iterable[Verdict] = (),
        plan: SweepPlan | None = None,
    ) -> None:
        self._base = Numbered(base)
        self._tried = Numbered(tried, len(self._base.groups))
        groups = self._base.groups + self._tried.groups
        self._sweep: Sweep | None = None
        if plan is not None:
            self._sweep = Sweep(plan, self._tried, len(groups))
            groups = [*groups, (plan.rule, plan.rest)]
        self._index = GroupIndex(groups, lists, catalogue)
        self._lists = {key: lists[key].version for key in sorted(lists)}
        self._was_fine: dict[int, bool] = {}
        for verdict in verdicts:
            fine = self._was_fine.get(verdict.case_id, True) and verdict.was_fine
            self._was_fine[verdict.case_id] = fine
        self._by_holding: dict[int, Tally] = {}
        self._by_winners: dict[tuple[Winners, Winners], Tally] = {}
        self._changed: list[tuple[int, Tally]] = []
        self._counted = Counted(
            unseen={row.fact for rule in self._tried.rules for group in rule.when for row in group}
        )

    @property
    def count(self) -> int:
        """Cases taken so far."""
        return self._counted.count

    def take(self, records: Sequence[Record]) -> list[int]:
        """Decide a batch by both documents; the ids of the cases that go otherwise now."""
        holding_of, known = self._index.holding, self._by_holding.get
        loads, was_fine, sweep, counted = orjson.loads, self._was_fine, self._sweep, self._counted
        unseen, changed = counted.unseen, self._changed
        changed.clear()
        for case, at, text in records:
            facts = loads(text)
            holding = holding_of(facts, at)
            tally = known(holding) or self._tally(holding)
            tally.count += 1
            if tally.classes:
                changed.append((case, tally))
            if case in was_fine:
                if was_fine[case]:
                    tally.fine += 1
                else:
                    tally.right += 1
            if unseen:
                unseen.difference_update(facts)
            if sweep is not None:
                sweep.sample(facts)
                if holding & sweep.probe:
                    sweep.take(facts, holding, was_fine.get(case))
        if records:
            counted.count += len(records)
            counted.first_at = counted.first_at or records[0].at
            counted.last_at = records[-1].at
        return [case for case, _tally in changed]

    def settle(self, amounts: Mapping[int, Decimal]) -> None:
        """Take the money at stake of the cases that `take` named."""
        counted = self._counted
        for case, tally in self._changed:
            place = counted.places = counted.places + 1
            tally.amount += amounts.get(case, _NOTHING)
            if len(tally.first) < ROUTE_EXAMPLES:
                tally.first.append((place, case, tally))
            for name in tally.classes:
                if len(named := counted.classes[name].examples) < EXAMPLES:
                    named.append((place, case, tally))
        self._changed = []
        if len(self._by_winners) > REMEMBERED:
            self._fold()

    def _tally(self, holding: int) -> Tally:
        winners = self._base.winners(holding), self._tried.winners(holding)
        tally = self._by_winners.get(winners)
        if tally is None:
            base, tried = self._base.outcome(winners[0]), self._tried.outcome(winners[1])
            tally = self._by_winners[winners] = Tally(base, tried, classes_of(base, tried))
        if len(self._by_holding) < REMEMBERED:
            self._by_holding[holding] = tally
        return tally

    def _fold(self) -> Counted:
        """Add the tallies up and forget them, so that memory stays bounded."""
        swept = self._sweep.plan.rule.key if self._sweep is not None else ""
        for tally in self._by_winners.values():
            self._counted.add(tally, swept=swept)
        self._by_winners.clear()
        self._by_holding.clear()
        return self._counted

    def counted(self) -> Counted:
        """All that was counted, for `absorb` of the backtest of an earlier part; without sweep."""
        return self._fold()

    def absorb(self, later: Counted) -> None:
        """Take over what another process counted over the cases that follow; without sweep."""
        if self._sweep is not None:
            raise ValueError("the parts of a sweep cannot be added")
        self._fold().absorb(later)

    def examples(self) -> list[int]:
        """The cases that the result names; asked when all are taken."""
        counted = self._fold()
        found = {
            case
            for pile in (*counted.classes.values(), *counted.routes.values())
            for _place, case, _tally in pile.examples
        }
        return sorted(found)

    def result(self, cases: Mapping[int, Case]) -> dict[str, Any]:
        """What came out, as JSON; `cases` are those of `examples`, as far as they still exist.

        ::

            decisions, first_at, last_at      how many cases, and when the first and last were
            lists                             key → version of each list as it was asked
            unseen_facts                      facts of the tried rules that no case had
            held        {base, tried}         cases held by either
            changed     {class: {count, amount, judged, false_block, rules, examples}}
                rules       [{from, to, count}]: holding rules, "" for none
                judged      share of the class's cases with a verdict; false_block of those
                examples    [{id, reference, url, at, amount, before, after}]: both are
                            [[what, value]]; what is "rule", a slot, "tag", "effect", "dispatch"
            routes      [{slot, from, to, count, amount, examples}], most frequent first
            rules       [{key, name, layer, base, tried}]: cases in which the rule acted;
                        null where it is not, or not live
            never       {base, tried}: keys of live rules that never acted
            verdicts    {cases, fine, right, false_block: {base, tried}, leak: {base, tried}}
            sweep       see rules.sweep.Sweep.result; null without

        Classes are CLASSES, amounts decimal text in the shop's currency, shares as
        rules.estimates gives them: false_block is the part judged fine of the judged cases
        held, leak the part let go of the cases judged right.
        """
        counted = self._fold()
        return {
            "decisions": counted.count,
            "first_at": counted.first_at.isoformat() if counted.first_at else None,
            "last_at": counted.last_at.isoformat() if counted.last_at else None,
            "lists": self._lists,
            "unseen_facts": sorted(counted.unseen),
            "held": {"base": counted.held[0], "tried": counted.held[1]},
            "changed": {name: pile.as_json(cases) for name, pile in counted.classes.items()},
            "routes": [
                {
                    "slot": slot,
                    "from": before,
                    "to": after,
                    "count": pile.count,
                    "amount": str(pile.amount),
                    "examples": pile.examples_as_json(cases),
                }
                for (slot, before, after), pile in sorted(
                    counted.routes.items(), key=lambda item: (-item[1].count, item[0])
                )
            ],
            "rules": self._rules(),
            "never": {
                side: [rule.key for rule in numbered.rules if not hits[rule.key]]
                for side, numbered, hits in self._sides()
            },
            "verdicts": self._verdicts(),
            "sweep": self._swept(),
        }

    def _sides(self) -> tuple[tuple[str, Numbered, Counter[str]], ...]:
        hits = self._counted.hits
        return (("base", self._base, hits[0]), ("tried", self._tried, hits[1]))

    def _rules(self) -> list[dict[str, object]]:
        rules: dict[str, dict[str, object]] = {}
        for side, numbered, hits in reversed(self._sides()):
            for rule in numbered.rules:
                known = {"key": rule.key, "name": rule.name, "layer": rule.layer}
                entry = rules.setdefault(rule.key, known | {"base": None, "tried": None})
                entry[side] = hits[rule.key]
        return list(rules.values())

    def _verdicts(self) -> dict[str, object]:
        count = self._count_judged
        fine, right = count(True), count(False)
        return {
            "cases": fine + right,
            "fine": fine,
            "right": right,
            "false_block": {
                side: share(
                    held := count(True, **{side: True}), held + count(False, **{side: True})
                ).as_json()
                for side in ("base", "tried")
            },
            "leak": {
                side: share(count(False, **{side: False}), right).as_json()
                for side in ("base", "tried")
            },
        }

    def _count_judged(
        self,
        fine: bool,
        *,
        base: bool | None = None,
        tried: bool | None = None,
        acts: bool | None = None,
    ) -> int:
        """Judged cases that are as asked; None asks nothing."""
        asked = (fine, base, tried, acts)
        return sum(
            count
            for seen, count in self._counted.judged.items()
            if all(want is None or want is is_so for want, is_so in zip(asked, seen, strict=True))
        )

    def _swept(self) -> dict[str, object] | None:
        if self._sweep is None:
            return None
        count = self._count_judged
        return self._sweep.result(
            held={
                None: self._counted.held[1],
                **{fine: count(fine, tried=True) for fine in (True, False)},
            },
            acts={
                None: self._counted.hits[1][self._sweep.plan.rule.key],
                **{fine: count(fine, acts=True) for fine in (True, False)},
            },
            rightly=count(False),
        )
