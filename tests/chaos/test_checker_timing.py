"""Invariants about time on hand-made histories: who waits for whom, pauses, reported lag."""

import pytest

from tests.chaos import (
    checks_timing,
)
from tests.chaos.histories import (
    Delivery,
    Endpoint,
    Fault,
    History,
    Sample,
)
from tests.chaos.made import GOOD, TOLD, again, asked, change, delivery, history, write


def flow(slow: float, *, endpoint: str = "a", fault: Fault) -> History:
    """A change a tenth of a second to 200, each answered after 50 ms, from 100 on after `slow`."""
    seqs = tuple(range(1, 201))
    subjects = {seq: f"probe:{seq}" for seq in seqs}
    return history(
        *(
            delivery(
                seq,
                seq / 10 + (slow if seq >= 100 else 0.05),
                endpoint=endpoint,
                subject=subjects[seq],
                ended=seq / 10 + (slow if seq >= 100 else 0.05),
            )
            for seq in seqs
        ),
        endpoints=[Endpoint(endpoint)],
        changes=[change(seq, subjects[seq]) for seq in seqs],
        writes=[write(seq, seq / 10 - 0.01) for seq in seqs],
        faults=[fault],
    )


def test_poison_and_the_dead_hold_nobody_up():
    poison = Fault("poison", 10.0, 20.0, "a", "probe:x")
    dead = Fault("receiver", 10.0, 20.0, "dead one")

    assert checks_timing.poison_stays_alone(flow(0.06, fault=poison)) == []
    assert len(checks_timing.poison_stays_alone(flow(2.0, fault=poison)) or ()) == 1
    assert checks_timing.dead_endpoints_stay_alone(flow(0.06, fault=dead)) == []
    assert len(checks_timing.dead_endpoints_stay_alone(flow(2.0, fault=dead)) or ()) == 1
    assert checks_timing.dead_endpoints_stay_alone(flow(2.0, fault=poison)) is None
    assert checks_timing.poison_stays_alone(GOOD) is None


def few(waits: list[float], *, before: int = 12, fault: Fault) -> History:
    """So many changes a second apart answered at once, then one for each wait, each of its own."""
    ats = [*(float(n) for n in range(before)), *(100.0 + n / 10 for n in range(len(waits)))]
    seqs = tuple(range(1, len(ats) + 1))
    return history(
        *(
            delivery(seq, at, subject=f"probe:{seq}", ended=at + wait)
            for seq, at, wait in zip(seqs, ats, [0.05] * before + waits, strict=True)
        ),
        changes=[change(seq, f"probe:{seq}") for seq in seqs],
        writes=[write(seq, at - 0.01) for seq, at in zip(seqs, ats, strict=True)],
        faults=[fault],
    )


POISONED = Fault("poison", 100.0, 110.0, "a", "probe:x")
DEAD = Fault("receiver", 100.0, 110.0, "dead one")


@pytest.mark.parametrize(
    ("waits", "violations"),
    [
        pytest.param([6.0] * 18, 1, id="a feed that stands still completes little"),
        pytest.param([6.0] * 10, 1, id="ten are enough"),
        pytest.param([0.05] * 17 + [9.0], 0, id="one is slow"),
        pytest.param([0.05] * 8 + [9.0] * 2, 0, id="two of ten are slow"),
        pytest.param([0.05] * 7 + [9.0] * 3, 1, id="three of ten are slow"),
        pytest.param([20.0] * 5, 1, id="five are enough if most are slow"),
        pytest.param([0.05] * 3 + [9.0] * 2, 0, id="two of five are slow"),
        pytest.param([0.05] * 37 + [9.0] * 3, 1, id="of many, one in twenty counts"),
    ],
)
def test_few_waits_are_judged_by_most_of_them(waits: list[float], violations: int):
    poisoned = checks_timing.poison_stays_alone(few(waits, before=30, fault=POISONED))
    dead = checks_timing.dead_endpoints_stay_alone(few(waits, before=30, fault=DEAD))

    assert len(poisoned or ()) == violations
    assert len(dead or ()) == violations


def test_a_short_calm_is_enough_to_compare_with():
    found = checks_timing.poison_stays_alone(few([6.0] * 40, fault=POISONED)) or []

    assert [one.words for one in found] == [
        "a: p75 from commit to 2xx rose from 50 to 6000 ms while poison"
    ]


def test_of_less_than_five_waits_nothing_is_said():
    assert checks_timing.poison_stays_alone(few([6.0] * 4, fault=POISONED)) is None
    assert checks_timing.poison_stays_alone(few([6.0] * 40, before=4, fault=POISONED)) is None


def retried(*gaps: float, status: int = 422, asked: float = 0.0) -> list[Delivery]:
    found, at = [], 1.0
    for gap in (*gaps, 0.0):
        found.append(delivery(1, at, status, ended=at, asked_to_wait=asked))
        at += gap
    return found


@pytest.mark.parametrize(
    ("gaps", "is_good"),
    [
        ((0.3, 1.9, 0.4, 7.0, 3.0, 30.0, 5.0, 100.0), True),
        ((0.3, 30.0), False),
        ((1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), False),
    ],
)
def test_pauses_of_a_refused_subject(gaps: tuple[float, ...], is_good: bool):
    poison = [Fault("poison", 0.0, 999.0, "a", "probe:P1")]
    found = checks_timing.retries_pause(history(*retried(*gaps), faults=poison))

    assert (found == []) is is_good


def test_retry_after_is_kept():
    assert checks_timing.retries_pause(history(*retried(2.1, status=429, asked=2.0))) == []
    assert (
        len(checks_timing.retries_pause(history(*retried(1.0, status=429, asked=2.0))) or ()) == 1
    )
    assert checks_timing.retries_pause(GOOD) is None


def test_reported_lag():
    def told(lag: float):
        samples = [Sample("a", at, at, 1, 0, lag) for at in (20.0, 21.0, 22.0, 23.0)]
        return checks_timing.lag_is_told(
            history(delivery(1, 1.0), delivery(2, 40.0), samples=samples)
        )

    assert told(21.0) == []
    assert len(told(0.0) or ()) == 1
    assert len(told(60.0) or ()) == 1
    assert checks_timing.lag_is_told(GOOD) is None


def test_a_replay_lags_since_it_was_asked_for():
    def told(lag: float, *deliveries: Delivery):
        samples = [Sample("a", at, at, 1, 0, lag) for at in (60.0, 60.2, 60.4, 60.6)]
        return checks_timing.lag_is_told(
            history(*TOLD, *deliveries, samples=samples, replays=[asked("id1", "id2", began=55.0)])
        )

    late = [again(1, 70.0), again(2, 71.0)]
    assert told(5.5, *late) == []
    assert told(0.0, *late) == []
    # As old as what is told again: that says nothing about the wait.
    assert len(told(60.0, *late) or ()) == 1
    assert len(told(5.5, again(1, 56.0), again(2, 57.0)) or ()) == 1
