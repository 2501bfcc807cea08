"""Dispatchers on demand: `manage.py drain`, begun by forking, and broken where a run asks for it.

A process of its own loads the product once and forks for each line `{"database", "log",
"variant", "clock"}` on its standard input, answering with the number of the new process: that
spares each dispatcher the two seconds that loading takes.
"""

import json
import os
import signal
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import django

from tests.chaos.processes import die_with_parent


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from changefeed.management.commands import drain  # noqa: F401  (loads all that is needed)

    # Nobody waits for them here; they leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        wishes = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent()
            os._exit(_dispatch(wishes))
        print(child, flush=True)


def _dispatch(wishes: dict[str, Any]) -> int:
    from django.core.management import call_command
    from django.db import connection, connections

    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(wishes["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    connections.settings["default"]["NAME"] = wishes["database"]
    connection.settings_dict["NAME"] = wishes["database"]
    try:
        if wishes["variant"]:
            from tests.chaos.variants import VARIANTS

            VARIANTS[wishes["variant"]].break_dispatcher()
        if wishes["clock"]:
            shift_clock(Path(wishes["clock"]))
        call_command("drain")
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def shift_clock(path: Path) -> None:
    """Add the seconds that the file holds, read anew each time, to every wall clock we read.

    The monotonic clock stays as it is: when a machine's time is set, that does not jump.
    """
    real = time.time

    def offset() -> float:
        try:
            return float(path.read_text() or 0)
        except OSError:
            return 0.0

    class Alike(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime)

    class Jumping(datetime, metaclass=Alike):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(real() + offset(), tz)

    time.time = lambda: real() + offset()
    for name, module in list(sys.modules.items()):
        is_ours = name.startswith("changefeed") or name == "django.utils.timezone"
        if is_ours and getattr(module, "datetime", None) is datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
