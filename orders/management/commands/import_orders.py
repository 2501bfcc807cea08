"""Import an order file from the command line, with a progress bar, and say what came of it."""

import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orders.importing.checkpoint import Progress as ImportProgress
from orders.importing.errors import BrokenFile, UnreadableFile
from orders.importing.runner import Options, Summary, import_file

REJECTED, UNREADABLE, STOPPED, INTERRUPTED = 1, 2, 3, 130


class Command(BaseCommand):
    help = (
        "Import orders from a CSV or JSON lines file, plain or gzip. Exit status: 0 all taken in, "
        "1 some rejected, 2 unreadable, 3 database lost, 130 interrupted; run it again to go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the order file; see docs/import.md")
        parser.add_argument("--format", choices=["csv", "jsonl"], help="told by the name otherwise")
        parser.add_argument("--source", default="import", help="source system of the orders")
        parser.add_argument("--batch", type=int, default=500, help="orders a transaction (1-10000)")
        parser.add_argument("--rejected", type=Path, help="where rejected rows go")
        parser.add_argument("--restart", action="store_true", help="forget an interrupted run")

    def handle(self, *args: Any, **given: Any) -> None:
        if not 1 <= given["batch"] <= 10_000:
            raise CommandError(_("--batch must lie between 1 and 10000."), returncode=UNREADABLE)
        if not 1 <= len(given["source"]) <= 40:
            raise CommandError(_("--source may have 1 to 40 characters."), returncode=UNREADABLE)
        names = ("format", "source", "batch", "rejected", "restart")
        options = Options(**{name: given[name] for name in names})
        self._finish(self._import(given["file"], options))

    def _import(self, path: Path, options: Options) -> Summary:
        again = _("Run the same command again to go on from there.")
        try:
            with _bar() as (bar, task), _stopping() as wants_stop:

                def show(read: int, size: int, done: ImportProgress) -> None:
                    bar.update(task, completed=read, total=size, orders=_orders(done))

                return import_file(path, options, on_progress=show, wants_stop=wants_stop)
        except BrokenFile as broken:
            note = _("What came before it is stored.")
            raise CommandError(f"{broken} {note}", returncode=UNREADABLE) from None
        except UnreadableFile as unreadable:
            raise CommandError(str(unreadable), returncode=UNREADABLE) from None
        except (DatabaseError, psycopg.Error) as error:
            note = _("The database failed: %(why)s.") % {"why": str(error).strip().rstrip(".")}
            raise CommandError(f"{note} {again}", returncode=STOPPED) from error
        except KeyboardInterrupt:
            raise CommandError(f"{_('Interrupted.')} {again}", returncode=INTERRUPTED) from None

    def _finish(self, summary: Summary) -> None:
        done = summary.progress
        if summary.was_resumed:
            self.stdout.write(_("Continued an interrupted import."))
        for label, value in (
            (_("stored"), done.stored),
            (_("replayed"), done.replayed),
            (_("rejected"), done.rejected),
            (_("held"), done.held),
            (_("seconds"), f"{done.seconds:.1f}"),
        ):
            self.stdout.write(f"{label}: {value}")
        if not summary.is_complete:
            again = _("Run the same command again to go on from there.")
            raise CommandError(f"{_('Interrupted.')} {again}", returncode=INTERRUPTED)
        if done.rejected:
            message = _("Rejected orders are in %(path)s; correct them there and import that file.")
            raise CommandError(message % {"path": summary.rejected_path}, returncode=REJECTED)


def _orders(done: ImportProgress) -> str:
    total = done.stored + done.replayed + done.rejected
    rate = f" · {total / done.seconds:,.0f}/s" if done.seconds else ""
    return _("%(count)s orders") % {"count": f"{total:,}"} + rate


@contextmanager
def _bar() -> Iterator[tuple[Progress, Any]]:
    """A bar over the bytes of the file, where a person watches; silent elsewhere."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[orders]}"))
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task("", total=None, orders="")


@contextmanager
def _stopping() -> Iterator[Any]:
    """Ctrl-C and SIGTERM end the import after the running batch; a second Ctrl-C at once."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals go elsewhere
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
