"""Calls of several threads joined into one, each with its own answer or error."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from orders.intake.coalescing import Coalescer

PATIENCE = 10.0


class Counter:
    """An act that answers with the document doubled, and can be made to wait or to fail."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.refuses: object = None

    def __call__(self, raws: Sequence[Any], keys: Sequence[str]) -> list[Any]:
        self.calls.append(list(raws))
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        if self.refuses in raws:
            raise ValueError(f"cannot take {self.refuses}")
        return [raw * 2 for raw in raws]


def when_queued(coalescer: Coalescer[Any], group: str, count: int) -> None:
    """Return once so many callers wait for their turn."""
    for _attempt in range(int(PATIENCE * 1000)):
        if len(coalescer._queues[group].waiting) == count:
            return
        threading.Event().wait(0.001)
    raise AssertionError("they never queued up")


def busy(
    pool: ThreadPoolExecutor,
    coalescer: Coalescer[Any],
    act: Counter,
    later: Sequence[tuple[Any, str]],
) -> list[Future[Any]]:
    """One caller at work on 1, and the later ones waiting in their order; then all go on."""
    found = [pool.submit(coalescer.serve, "shop", 1, "", act)]
    assert act.entered.wait(PATIENCE)
    for count, (raw, key) in enumerate(later, start=1):
        found.append(pool.submit(coalescer.serve, "shop", raw, key, act))
        when_queued(coalescer, "shop", count)
    act.go_on.set()
    return found


def test_a_lone_caller_is_served_at_once_and_alone():
    act = Counter()
    act.go_on.set()

    assert Coalescer[Any]().serve("shop", 3, "", act) == 6
    assert act.calls == [[3]]


def test_callers_that_come_meanwhile_share_the_next_call():
    act, coalescer = Counter(), Coalescer[Any]()
    with ThreadPoolExecutor(4) as pool:
        found = busy(pool, coalescer, act, [(2, ""), (3, "a"), (4, "b")])

        assert [future.result(PATIENCE) for future in found] == [2, 4, 6, 8]
    assert act.calls == [[1], [2, 3, 4]]


def test_no_call_is_larger_than_allowed():
    act, coalescer = Counter(), Coalescer[Any](most=2)
    with ThreadPoolExecutor(4) as pool:
        found = busy(pool, coalescer, act, [(2, ""), (3, ""), (4, "")])

        assert [future.result(PATIENCE) for future in found] == [2, 4, 6, 8]
    assert act.calls == [[1], [2, 3], [4]]


def test_two_with_one_key_never_share_a_call():
    act, coalescer = Counter(), Coalescer[Any]()
    with ThreadPoolExecutor(4) as pool:
        found = busy(pool, coalescer, act, [(2, "same"), (3, "same"), (4, "")])

        assert [future.result(PATIENCE) for future in found] == [2, 4, 6, 8]
    assert act.calls == [[1], [2, 4], [3]]


def test_groups_do_not_wait_for_each_other():
    act, other, coalescer = Counter(), Counter(), Coalescer[Any]()
    other.go_on.set()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(coalescer.serve, "shop", 1, "", act)
        assert act.entered.wait(PATIENCE)

        assert coalescer.serve("erp", 5, "", other) == 10
        act.go_on.set()
        assert first.result(PATIENCE) == 2


def test_an_error_reaches_only_the_caller_it_belongs_to():
    act, coalescer = Counter(), Coalescer[Any]()
    act.refuses = 3
    with ThreadPoolExecutor(4) as pool:
        found = busy(pool, coalescer, act, [(2, ""), (3, ""), (4, "")])

        assert [found[index].result(PATIENCE) for index in (0, 1, 3)] == [2, 4, 8]
        with pytest.raises(ValueError, match="cannot take 3"):
            found[2].result(PATIENCE)
    assert act.calls == [[1], [2, 3, 4], [2], [3], [4]]


def test_once_some_came_together_the_next_waits_for_more():
    act, coalescer = Counter(), Coalescer[Any](patience=PATIENCE)
    with ThreadPoolExecutor(3) as pool:
        for future in busy(pool, coalescer, act, [(2, ""), (3, "")]):
            future.result(PATIENCE)

        found = [pool.submit(coalescer.serve, "shop", raw, "", act) for raw in (5, 6, 7)]

        assert [future.result(PATIENCE) for future in found] == [10, 12, 14]
    assert act.calls[:2] == [[1], [2, 3]]
    assert [sorted(call) for call in act.calls[2:]] == [[5, 6, 7]]


def test_who_waits_in_vain_is_served_alone_and_the_next_at_once():
    act, coalescer = Counter(), Coalescer[Any](patience=0.001)
    with ThreadPoolExecutor(3) as pool:
        for future in busy(pool, coalescer, act, [(2, ""), (3, "")]):
            future.result(PATIENCE)

    assert coalescer.serve("shop", 5, "", act) == 10
    assert coalescer.serve("shop", 6, "", act) == 12
    assert act.calls == [[1], [2, 3], [5], [6]]
