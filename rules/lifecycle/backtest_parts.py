"""A backtest cut into parts of its period, and the process that counts one beside ours."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Thread
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import connection

from rules import history
from rules.backtest import Backtest
from rules.backtest_helper import RESULT
from rules.conditions import ListSnapshot
from rules.counted import Counted
from rules.document import Document
from rules.facts import catalogue
from rules.history import Verdict
from rules.sweep import SweepPlan

SHARED_FROM = 100_000
"""Cases from which on another process is worth its start, which takes about two seconds."""
TURN_SECONDS = 0.0005
_ADDRESS = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What is tried against what, on the cases of a period; `database` is where they are."""

    base: Document
    tried: Document
    lists: Mapping[str, ListSnapshot]
    verdicts: tuple[Verdict, ...]
    plan: SweepPlan | None
    since: datetime
    until: datetime
    database: Mapping[str, Any]


def part_of(
    base: Document,
    tried: Document,
    lists: Mapping[str, ListSnapshot],
    plan: SweepPlan | None,
    since: datetime,
    until: datetime,
) -> Part:
    """The whole of a period as one part."""
    verdicts = tuple(history.source().verdicts(since, until))
    address = {name: connection.settings_dict[name] for name in _ADDRESS}
    return Part(base, tried, lists, verdicts, plan, since, until, address)


def cut(whole: Part, total: int) -> list[Part]:
    """Two parts of about as many cases each, where a second process helps; else the one.

    A sweep is not cut: it looks at the first cases before it knows what to count. Inside a
    transaction another process would not see what we see.
    """
    if (
        whole.plan is not None
        or total < SHARED_FROM
        or settings.BACKTEST_PROCESSES < 2
        or connection.in_atomic_block
    ):
        return [whole]
    middle = history.source().moment(whole.since, whole.until, total // 2)
    if middle is None or not whole.since < middle < whole.until:
        return [whole]
    return [replace(whole, until=middle), replace(whole, since=middle)]


def count(part: Part) -> Generator[Backtest, None, None]:
    """The backtest of a part again and again, after each batch of cases, and once at the end."""
    source = history.source()
    backtest = Backtest(
        part.base, part.tried, part.lists, catalogue, verdicts=part.verdicts, plan=part.plan
    )
    yield from count_on(backtest, part, source)
    yield backtest


def count_on(backtest: Backtest, part: Part, source: Any) -> Iterator[Backtest]:
    """The same with a backtest that has counted the cases before."""
    with closing(source.stream(part.since, part.until)) as batches:
        for batch in batches:
            changed = backtest.take(batch)
            backtest.settle(source.amounts(changed) if changed else {})
            yield backtest


@contextmanager
def undisturbed() -> Iterator[None]:
    """No search for garbage in cycles while a million documents are read: they make none.

    It took a quarter of the time. The thread that reads ahead gets its turn ten times sooner
    than usual: it needs the interpreter often and briefly, and the server waits for it.
    """
    was_on, turn = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        if was_on:
            gc.enable()


class Helper:
    """A process that counts a part; use as a context manager, which ends it in any case.

    `done` is how many cases it has counted, `counted` its result once it `is_over`, None when it
    failed: then its part is to be counted here.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.done = 0
        self.counted: Counted | None = None

    def __enter__(self) -> Helper:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rules.backtest_helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            env=os.environ,
        )
        self._listener = Thread(target=self._listen, name="backtest-helper", daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._listener.join(5)

    @property
    def is_over(self) -> bool:
        return not self._listener.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it is over, but not longer."""
        self._listener.join(seconds)

    def _listen(self) -> None:
        given, told = self._process.stdin, self._process.stdout
        assert given is not None
        assert told is not None
        try:
            pickle.dump(self.part, given, pickle.HIGHEST_PROTOCOL)
            given.close()
            for line in iter(told.readline, b""):
                if line == RESULT:
                    counted = cast(Counted, pickle.load(told))  # what our own child wrote
                    self.done, self.counted = counted.count, counted
                    return
                self.done = int(line)
        except (OSError, EOFError, ValueError, pickle.PickleError) as problem:
            log.warning("a part of a backtest was lost", problem=repr(problem))
        finally:
            told.close()
