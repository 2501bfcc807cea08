"""The whole import of one file, in batches through orders.lifecycle, resumable after any stop."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import DifferentBody, FieldError, InvalidOrder
from orders.importing import csv_orders, json_orders
from orders.importing.checkpoint import Checkpoint, Progress
from orders.importing.csv_rows import CsvRows
from orders.importing.entries import Entry, Position
from orders.importing.errors import UnreadableFile
from orders.importing.opening import Format, OrderFile, choose_format
from orders.importing.rejects import CsvRejects, JsonRejects, Rejects
from orders.intake.document import CODE, read_document
from orders.lifecycle.placing import Outcome, Placed, body_hash, place_orders
from orders.models import Order
from orders.status import OrderState


@dataclass(frozen=True, slots=True)
class Options:
    """How to import; `rejected` None chooses a free name beside the file."""

    format: Format | None = None
    source: str = "import"
    batch: int = 500
    rejected: Path | None = None
    restart: bool = False


@dataclass(slots=True)
class Summary:
    """What an import did, earlier interrupted runs of it included."""

    progress: Progress
    rejected_path: Path
    is_complete: bool
    was_resumed: bool


@dataclass(slots=True)
class _Source:
    """A file opened in its format: its orders from a position on, and a writer for rejects."""

    read: Callable[[Position], Iterator[Entry]]
    rejects: Callable[[Path, int], Rejects]
    suffix: str


def import_file(
    path: Path,
    options: Options,
    *,
    on_progress: Callable[[int, int, Progress], None] = lambda _read, _size, _progress: None,
    wants_stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Import a file from where an interrupted run of it stopped, or from its beginning.

    `on_progress` hears bytes read, bytes in all and the progress after each batch; `wants_stop`
    is asked there. Raises UnreadableFile when nothing can be read, BrokenFile when reading broke
    off. Killed between a batch and its checkpoint, the next run replays that batch.
    """
    with ExitStack() as stack:
        checkpoint = Checkpoint(path, options.source)
        stack.callback(checkpoint.close)
        file = OrderFile(path)
        stack.callback(file.close)
        source = _open(file, path, options)
        progress = None if options.restart else checkpoint.load()
        was_resumed = progress is not None
        if progress is not None and progress.rejected_bytes:
            was_resumed = _has_bytes(Path(progress.rejected_path), progress.rejected_bytes)
        if progress is None or not was_resumed:
            progress = Progress(rejected_path=str(_rejected_path(path, options, source.suffix)))
        rejects = source.rejects(Path(progress.rejected_path), progress.rejected_bytes)
        stack.callback(rejects.close)
        run = _Run(progress, rejects, Actor("system", options.source))
        is_complete = True
        for batch in _batches(source.read(progress.position), options.batch):
            run.place(batch)
            checkpoint.save(progress)
            on_progress(file.read_bytes(), file.size, progress)
            if wants_stop():
                is_complete = False
                break
        if is_complete:
            checkpoint.clear()
        return Summary(progress, rejects.path, is_complete, was_resumed)


def _open(file: OrderFile, path: Path, options: Options) -> _Source:
    if choose_format(path, file.sample, options.format) == "jsonl":
        return _Source(lambda start: json_orders.read_orders(file, start), JsonRejects, ".jsonl")
    rows = CsvRows(file)
    return _Source(
        lambda start: csv_orders.read_orders(rows, start),
        lambda target, keep: CsvRejects(target, rows.header, keep),
        ".csv",
    )


def _rejected_path(path: Path, options: Options, suffix: str) -> Path:
    """Where rejects go: never over the input, nor over a file that may hold corrections."""
    if options.rejected is not None:
        if options.rejected.resolve() == path.resolve():
            raise UnreadableFile(_("The rejected rows cannot replace the file that is read."))
        _require_writable(options.rejected.parent)
        options.rejected.unlink(missing_ok=True)
        return options.rejected
    _require_writable(path.parent)
    stem = path.name.split(".", 1)[0]
    attempt, target = 1, path.with_name(f"{stem}.rejected{suffix}")
    while target.exists():
        attempt += 1
        target = path.with_name(f"{stem}.rejected-{attempt}{suffix}")
    return target


def _require_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK):
        raise UnreadableFile(
            _("Nothing can be written to %(folder)s; name another place with --rejected.")
            % {"folder": folder}
        )


def _has_bytes(path: Path, wanted: int) -> bool:
    return path.is_file() and path.stat().st_size >= wanted


def _batches(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


class _Run:
    """Places batches and counts what became of them."""

    def __init__(self, progress: Progress, rejects: Rejects, actor: Actor) -> None:
        self.progress = progress
        self.rejects = rejects
        self.actor = actor

    def place(self, batch: list[Entry]) -> None:
        begun = time.monotonic()
        good = [entry for entry in batch if not entry.errors]
        known = _known(good)
        fresh = [entry.document for entry in good if entry.line not in known]
        placed = iter(place_orders(fresh, actor=self.actor) if fresh else ())
        for entry in batch:
            if entry.line in known:
                self.progress.replayed += 1
                continue
            errors = _all_errors(entry) if entry.errors else self._count(next(placed))
            if errors:
                self.rejects.write(entry, errors)
                self.progress.rejected += 1
        self.rejects.flush()
        self.progress.rejected_bytes = self.rejects.size
        self.progress.position = batch[-1].after
        self.progress.seconds += time.monotonic() - begun

    def _count(self, placed: Placed) -> list[FieldError]:
        if placed.outcome is Outcome.CREATED:
            self.progress.stored += 1
            self.progress.held += placed.state == OrderState.ON_HOLD
        elif placed.outcome is Outcome.REPLAYED:
            self.progress.replayed += 1
        elif placed.outcome is Outcome.CONFLICT:
            return [FieldError("number", DifferentBody.code, str(DifferentBody.default))]
        return placed.errors


def _known(entries: list[Entry]) -> set[int]:
    """Lines of the orders that are stored with this very content, by one query.

    Going through the act again would answer the same, one order at a time.
    """
    numbers = {one.line: number for one in entries if (number := _number_of(one))}
    stored = dict(
        Order.objects.filter(number__in=numbers.values()).values_list("number", "body_hash")
    )
    return {
        one.line
        for one in entries
        if (found := stored.get(numbers.get(one.line, ""))) and found == body_hash(one.document)
    }


def _number_of(entry: Entry) -> str:
    """The number that the document gives, or "" when it gives none that could be stored."""
    number = entry.document.get("number") if isinstance(entry.document, dict) else None
    return number if isinstance(number, str) and CODE.fullmatch(number) else ""


def _all_errors(entry: Entry) -> list[FieldError]:
    """What reading found wrong, and what the document's own checks add."""
    if not isinstance(entry.document, dict):
        return entry.errors
    try:
        read_document(entry.document)
    except InvalidOrder as invalid:
        known = {error.field for error in entry.errors}
        return entry.errors + [error for error in invalid.errors if error.field not in known]
    return entry.errors
