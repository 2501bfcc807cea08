"""Taking the lanes of many subjects at once without ever being the end of a writer."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from django.db import OperationalError, connection, transaction

Result = TypeVar("Result")

# A writer waits for us no longer than a chunk takes; we for it hardly at all, since it may come to
# want what we hold. The server looks for such circles after a second, and would end the writer.
_WAIT = "50ms"
_PAUSE_SECONDS = 0.1


class StillHeld(Exception):
    """Writers held some of the lanes all the time."""


def give_way(act: Callable[[], Result], *, seconds: float) -> Result:
    """What `act` returns, in a transaction that is begun anew whenever a writer is in its way.

    Whoever writes several subjects one after the other may take their lanes in any order, so
    nothing may wait for a lane that holds others. Raises StillHeld after so many seconds, with
    nothing done.
    """
    ends_at = time.monotonic() + seconds
    while True:
        try:
            with transaction.atomic():
                before = _wait_at_most(_WAIT)
                done = act()
                _wait_at_most(before)
                return done
        except OperationalError as problem:
            if not isinstance(problem.__cause__, psycopg.errors.LockNotAvailable):
                raise
        if time.monotonic() > ends_at:
            raise StillHeld
        time.sleep(_PAUSE_SECONDS)


def _wait_at_most(limit: str) -> str:
    """Set how long this transaction waits for a lock; what it was before."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [limit])
    return str(before)
