"""`manage.py drain` with something wrong on purpose: a broken variant, or a clock that jumps."""

import argparse
import os
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import django
from django.core.management import call_command


def main() -> None:
    """`--variant NAME` breaks the product, `--clock FILE` shifts its wall clock as FILE says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="")
    parser.add_argument("--clock", type=Path)
    chosen = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from changefeed.management.commands import drain  # noqa: F401  (loads what is patched)

    if chosen.variant:
        from tests.chaos.variants import VARIANTS

        VARIANTS[chosen.variant].break_dispatcher()
    if chosen.clock:
        shift_clock(chosen.clock)
    call_command("drain")


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

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(real() + offset(), tz)

    time.time = lambda: real() + offset()
    for name, module in list(sys.modules.items()):
        is_ours = name.startswith("changefeed") or name == "django.utils.timezone"
        if is_ours and getattr(module, "datetime", None) is datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
