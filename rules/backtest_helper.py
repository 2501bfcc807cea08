"""A process that counts one part of a long backtest and tells its parent; see `backtest_sharing`.

It reads a pickled `Part` from its input, writes a line with the number of cases now and then, and
at last the pickled `Counted`. It ends when its parent does.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from typing import Any, BinaryIO

TOLD_EVERY_SECONDS = 0.25
RESULT = b"result\n"


def main() -> None:
    """Serve one part."""
    # Whatever else is written to standard output, a warning perhaps, must not get in between.
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    parent = os.getppid()
    # The part itself comes with the database's address, so none is looked for.
    os.environ["SLUICE_NO_DATABASE"] = "1"
    import django

    django.setup()
    part = pickle.load(sys.stdin.buffer)  # what our own parent wrote
    _connect_to(part.database)
    _serve(part, told, parent)


def _connect_to(database: dict[str, Any]) -> None:
    from django.db import connection

    connection.settings_dict.update(database)


def _serve(part: Any, told: BinaryIO, parent: int) -> None:
    from rules.lifecycle.backtest_parts import count, undisturbed

    with undisturbed():
        told_at = time.monotonic()
        for backtest in count(part):
            if os.getppid() != parent:
                return
            if time.monotonic() - told_at >= TOLD_EVERY_SECONDS:
                told.write(b"%d\n" % backtest.count)
                told.flush()
                told_at = time.monotonic()
        told.write(RESULT)
        pickle.dump(backtest.counted(), told, pickle.HIGHEST_PROTOCOL)
        told.flush()


if __name__ == "__main__":
    main()
