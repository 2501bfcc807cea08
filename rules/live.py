"""The rules in force: compiled once per process, rechecked at most once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from psycopg.errors import LockNotAvailable, QueryCanceled

from rules.errors import RulesUnavailable
from rules.loading import Held, LiveRules, lists_named_by, load, load_list, load_lists, read_stamps
from rules.problems import DocumentInvalid

__all__ = [
    "LiveRules",
    "current",
    "forget",
    "keep_fresh",
    "list_name",
    "lists_named_by",
    "load_list",
    "load_lists",
    "stop_keeping",
    "watch",
    "watched",
]

RECHECK_SECONDS = 1.0
STALE_SECONDS = 2.0
"""Rules not confirmed for so long decide nothing any more; see docs/decisions/0006."""
KEEP_SECONDS = 0.5
"""How old the keeper lets the rules become before it looks again."""
KEEPER_PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.5
"""After a failed look, the next caller within this time does not wait for another one."""

_lock = threading.Lock()
_held: Held | None = None
_failed: tuple[float, bool] | None = None
"""When a look failed last, and whether for lateness."""
_watched: set[str] = set()
_keeper: threading.Thread | None = None
_stopped = threading.Event()


def watch(*keys: str) -> None:
    """Keep these lists at hand too, for an app whose facts are read off them.

    Called once when the app is ready; a list that does not exist is simply not among
    `LiveRules.lists`.
    """
    _watched.update(keys)


def watched() -> frozenset[str]:
    """The lists that facts are read off."""
    return frozenset(_watched)


def current(within: float | None = None) -> LiveRules:
    """The rules in force, at most a second old; up to two while the database does not answer.

    Costs nothing within that second, and one look after it; only what changed is read again.
    While one thread looks, the others go on with what they have. A look takes at most `within`
    seconds, by default the screening budget, and leaves a transaction around it usable. Raises
    RulesUnavailable when there are no rules that young; DocumentInvalid when the published
    document names a fact that no app registers any more.
    """
    limit = settings.SCREENING_BUDGET_MS / 1000 if within is None else max(within, 0.001)
    held = _held
    if held is not None and _age(held) < RECHECK_SECONDS:
        return held.rules
    if held is not None and _age(held) < STALE_SECONDS:
        if not _lock.acquire(blocking=False):
            return held.rules
    elif not _lock.acquire(timeout=limit):
        raise RulesUnavailable(is_late=True)
    try:
        return _refresh(limit)
    finally:
        _lock.release()


def forget() -> None:
    """Look again at the next call; for the process that has just changed something."""
    global _held, _failed
    _held = _failed = None


def keep_fresh() -> None:
    """Look for newer rules in the background from now on, so that no order waits for a look.

    For a process that serves orders; called once when it starts, and safe to repeat. Orders
    still look themselves when the keeper cannot.
    """
    global _keeper
    if _keeper is None or not _keeper.is_alive():
        _stopped.clear()
        _keeper = threading.Thread(target=_keep, name="rules-keeper", daemon=True)
        _keeper.start()


def stop_keeping() -> None:
    """End the keeper and its connection."""
    _stopped.set()
    if _keeper is not None:
        _keeper.join(2 * KEEPER_PATIENCE_SECONDS)


def _keep() -> None:
    while not _stopped.is_set():
        with suppress(Exception):  # an order's own look says what is wrong
            close_old_connections()
            if _held is None or _age(_held) >= KEEP_SECONDS:
                with _lock:
                    _refresh(KEEPER_PATIENCE_SECONDS, at_age=KEEP_SECONDS)
        _stopped.wait(KEEP_SECONDS / 2)
    connection.close()


def list_name(key: str) -> str:
    """The name of a list, or its key when there is none; at most as old as the rules."""
    with suppress(DocumentInvalid, RulesUnavailable):
        current()
    stamps = _held.stamps if _held is not None else ()
    return next((stamp[5] for stamp in stamps if stamp[0] == "list" and stamp[2] == key), key)


def _age(held: Held) -> float:
    return time.monotonic() - held.checked_at


def _refresh(limit: float, *, at_age: float = RECHECK_SECONDS) -> LiveRules:
    global _held, _failed
    held = _held
    started = time.monotonic()
    if held is not None and started - held.checked_at < at_age:
        return held.rules
    if _failed is not None and started - _failed[0] < RETRY_SECONDS:
        return _last_good(held, RulesUnavailable(is_late=_failed[1]))
    try:
        with _limited(limit):
            stamps = read_stamps()
            if held is None or held.stamps != stamps:
                held = load(stamps, held, _watched)
    except DatabaseError as error:
        is_late = isinstance(error.__cause__, QueryCanceled | LockNotAvailable)
        _failed = time.monotonic(), is_late
        return _last_good(held, RulesUnavailable(is_late=is_late), error)
    held.checked_at = started
    _held, _failed = held, None
    return held.rules


def _last_good(
    held: Held | None, refusal: RulesUnavailable, cause: Exception | None = None
) -> LiveRules:
    """What was at hand if it is young enough; else the refusal is raised."""
    if held is not None and _age(held) < STALE_SECONDS:
        return held.rules
    raise refusal from cause


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Statements within may take so long each; one that fails leaves the transaction usable."""
    with transaction.atomic():
        before = _set_timeout(str(max(1, round(seconds * 1000))))
        yield
        _set_timeout(before)


def _set_timeout(value: str) -> str:
    """Give the transaction another time limit for statements, and say which it had."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        before: str = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (value,))
    return before
