"""Judges a history by the invariants of the feed, each in words; pure."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import (
    checks_delivery,
    checks_keeping,
    checks_people,
    checks_pull,
    checks_repeats,
    checks_timing,
)
from tests.chaos.histories import History
from tests.chaos.violations import Violation

Check = Callable[[History], list[Violation] | None]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A property of every history.

    The check gives None where the history says nothing about it. One that `needs_calm` compares
    times and is left out where other work may load the machine.
    """

    number: int
    name: str
    check: Check
    needs_calm: bool = False


INVARIANTS = (
    Invariant(1, "all arrives", checks_delivery.everything_arrives),
    Invariant(2, "no rolled-back", checks_delivery.nothing_rolled_back),
    Invariant(3, "in order", checks_delivery.in_order),
    Invariant(4, "no overlap", checks_delivery.one_at_a_time),
    Invariant(5, "repeats in flight only", checks_repeats.no_needless_repeats),
    Invariant(6, "poison stays alone", checks_timing.poison_stays_alone, needs_calm=True),
    Invariant(7, "dead stays alone", checks_timing.dead_endpoints_stay_alone, needs_calm=True),
    Invariant(8, "same at rest", checks_delivery.same_at_rest),
    Invariant(9, "pull is the set", checks_pull.pages_are_the_committed_set),
    Invariant(10, "no echo", checks_pull.no_echo),
    Invariant(11, "inbound id once", checks_pull.each_id_once),
    Invariant(12, "secrets verify", checks_keeping.signatures_verify),
    Invariant(13, "purge keeps pending", checks_keeping.nothing_pending_is_purged),
    Invariant(14, "retry band", checks_timing.retries_pause, needs_calm=True),
    Invariant(15, "lag is told", checks_timing.lag_is_told, needs_calm=True),
    Invariant(16, "lanes bounded", checks_keeping.lanes_are_bounded),
    Invariant(17, "two beats are one", checks_repeats.dispatchers_agree),
    Invariant(18, "paused left alone", checks_people.paused_endpoints_are_left_alone, True),
)

Verdicts = dict[int, list[Violation] | None]


def check(history: History, *, calm: bool = True) -> Verdicts:
    """The violations of each invariant by its number; None where it does not apply.

    Without `calm`, what compares times is left out.
    """
    return {
        one.number: one.check(history) if calm or not one.needs_calm else None for one in INVARIANTS
    }
