"""Orders that arrive one by one at one moment are taken in together: one transaction for all.

A caller that finds nobody at work goes at once. Those that come meanwhile wait for it, and the
first of them to have its turn takes all that wait along. While several keep coming, it first waits
a moment for as many as came the last time. Pure: what taking in means is given.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")
Act = Callable[[Sequence[Any], Sequence[str]], Sequence[Answer]]


@dataclass(slots=True, eq=False)
class _Ticket(Generic[Answer]):
    """One caller's document and, once `served`, its answer or error."""

    raw: Any
    key: str
    served: bool = False
    answer: Answer | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Queue(Generic[Answer]):
    """Who waits, and how many were served together `last`."""

    waiting: deque[_Ticket[Answer]] = field(default_factory=deque)
    turn: Lock = field(default_factory=Lock)
    enough: Event = field(default_factory=Event)
    last: int = 1


class Coalescer(Generic[Answer]):
    """Joins the calls of this process's threads; at most `most` are served at once.

    `patience` is how many seconds a caller waits for others once some came together.
    """

    def __init__(self, most: int = 32, patience: float = 0.001) -> None:
        self._most = most
        self._patience = patience
        self._queues: dict[Hashable, _Queue[Answer]] = {}

    def serve(self, group: Hashable, raw: Any, key: str, act: Act[Answer]) -> Answer:
        """The answer of `act` to this document; calls of one group may share one `act`.

        `act` takes documents and their keys and answers each; no two of one call have the same
        key. When it raises for several, each is served by itself, so that an error reaches only
        the caller it belongs to.
        """
        queue = self._queues.setdefault(group, _Queue())
        ticket: _Ticket[Answer] = _Ticket(raw, key)
        queue.waiting.append(ticket)
        if len(queue.waiting) > queue.last:
            queue.enough.set()
        with queue.turn:
            if not ticket.served and queue.last > 1:
                self._wait_for_others(queue)
            while not ticket.served:
                chosen = self._next(queue)
                queue.last = len(chosen)
                try:
                    _run(chosen, act)
                finally:  # a thread that is ended leaves the others to whoever comes next
                    left = [one for one in chosen if not one.served and one is not ticket]
                    queue.waiting.extendleft(reversed(left))
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer  # type: ignore[return-value]

    def _wait_for_others(self, queue: _Queue[Answer]) -> None:
        """Return when more wait than came the last time, or the patience is over."""
        queue.enough.clear()
        if len(queue.waiting) <= queue.last:
            queue.enough.wait(self._patience)

    def _next(self, queue: _Queue[Answer]) -> list[_Ticket[Answer]]:
        """Those who wait, in their order; who repeats a key of an earlier one goes on waiting."""
        chosen: list[_Ticket[Answer]] = []
        keys: set[str] = set()
        passed: list[_Ticket[Answer]] = []
        for _each in range(min(len(queue.waiting), self._most)):
            ticket = queue.waiting.popleft()
            if ticket.key and ticket.key in keys:
                passed.append(ticket)
            else:
                keys.add(ticket.key)
                chosen.append(ticket)
        queue.waiting.extendleft(reversed(passed))
        return chosen


def _run(tickets: Sequence[_Ticket[Answer]], act: Act[Answer]) -> None:
    try:
        answers = act([ticket.raw for ticket in tickets], [ticket.key for ticket in tickets])
    except Exception as error:
        if len(tickets) > 1:
            for ticket in tickets:
                _run([ticket], act)
            return
        tickets[0].error = error
    else:
        for ticket, answer in zip(tickets, answers, strict=True):
            ticket.answer = answer
    for ticket in tickets:
        ticket.served = True
