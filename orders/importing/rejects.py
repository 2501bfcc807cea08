"""The file of rejected rows: as they came, what is wrong with them, ready to correct and reuse."""

import csv
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import BinaryIO

import orjson

from orders.errors import FieldError
from orders.importing.columns import ERRORS, column_of
from orders.importing.entries import Entry
from orders.importing.guarding import guard, unguard


class Rejects(ABC):
    """Appends rejected orders; the file appears with the first of them.

    `keep` bytes of an earlier, interrupted run stay; what came after them is written again.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self.size = 0
        if keep:
            self._file = path.open("r+b")
            self._file.truncate(keep)
            self._file.seek(keep)
            self.size = keep

    def write(self, entry: Entry, errors: Sequence[FieldError]) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
            self._file.write(self.opening())
        self._file.write(self.row(entry, errors))

    def flush(self) -> None:
        """Bring everything to disk, so that a checkpoint may count on it."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self.size = self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def opening(self) -> bytes:
        return b""

    @abstractmethod
    def row(self, entry: Entry, errors: Sequence[FieldError]) -> bytes:
        """One rejected order in the input's own format, with what is wrong with it."""


class CsvRejects(Rejects):
    """The input's columns behind a first column `errors`, safe to open in a spreadsheet."""

    def __init__(self, path: Path, header: Sequence[str], keep: int = 0) -> None:
        super().__init__(path, keep)
        names = [name.strip().lower() for name in header]
        self._skipped = names.index(ERRORS) if ERRORS in names else None
        self._header = self._without_errors(header)

    def opening(self) -> bytes:
        return b"\xef\xbb\xbf" + _csv_line([ERRORS, *self._header])

    def row(self, entry: Entry, errors: Sequence[FieldError]) -> bytes:
        messages: list[list[str]] = [[] for _row in entry.raw]
        for error in errors:
            index, column = column_of(error.field)
            whole_row = error.field == f"lines[{index}]"
            place = "" if whole_row or not column else f"{column}: "
            messages[min(index, len(messages) - 1)].append(f"{place}{error.message}")
        return b"".join(
            _csv_line([" ".join(said), *self._without_errors(cells)])
            for said, cells in zip(messages, entry.raw, strict=True)
        )

    def _without_errors(self, cells: Sequence[str]) -> list[str]:
        return [cell for index, cell in enumerate(cells) if index != self._skipped]


class JsonRejects(Rejects):
    """One object a line: the document (or the text that is no JSON), and the errors."""

    def row(self, entry: Entry, errors: Sequence[FieldError]) -> bytes:
        is_text = entry.document is None and isinstance(entry.raw, str)
        name = "text" if is_text else "document"
        found = [
            {"field": error.field, "code": error.code, "message": str(error.message)}
            for error in errors
        ]
        value = {name: entry.raw, "errors": found, "line": entry.line}
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _csv_line(cells: Sequence[str]) -> bytes:
    out = StringIO(newline="")
    csv.writer(out).writerow([guard(unguard(cell)) for cell in cells])
    return out.getvalue().encode()
