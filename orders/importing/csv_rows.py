"""Rows of a CSV file, each on its own: a broken row costs that row and none after it."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from django.utils.translation import gettext as _

from orders.errors import FieldError
from orders.importing.columns import ERRORS, read_header
from orders.importing.entries import Position
from orders.importing.errors import UnreadableFile
from orders.importing.guarding import unguard
from orders.importing.opening import Line, OrderFile
from orders.intake.document import CODE

LONGEST_ROW = 200
"""Lines of text that one row may span; a quotation mark left open longer is never closed."""

NO_NUMBER = "number_missing"

_LOST = "\ufffd"
_DELIMITERS = ",;\t"


@dataclass(slots=True)
class Row:
    """One row: `values` by column, or an `error` that says why it cannot be read."""

    line: int
    end: Position
    number: str
    cells: list[str]
    values: dict[str, str]
    error: FieldError | None = None


class _OpenQuote(Exception):
    """The text ends inside quotation marks."""


class CsvRows:
    """The rows below the header of an order file."""

    def __init__(self, file: OrderFile) -> None:
        self.file = file
        header = next(file.lines(Position()), None)
        text = file.decode(header.data)[0] if header else ""
        self.delimiter = max(_DELIMITERS, key=text.count)
        try:
            self.header = self._split(text)
        except (_OpenQuote, csv.Error):
            raise UnreadableFile(_("The first line must hold the names of the columns.")) from None
        self.columns = read_header(self.header)
        self.first = Position(header.end if header else 0, 1)

    def rows(self, position: Position) -> Iterator[Row]:
        """Rows from a position on; blank ones are left out."""
        lines = _Pushback(self.file.lines(position if position.offset else self.first))
        for line in lines:
            row = self._read(line, lines)
            if row.error is not None or any(cell.strip() for cell in row.cells):
                yield row

    def _read(self, line: Line, lines: "_Pushback") -> Row:
        if line.is_cut:
            message = _("The line is too long; its beginning is repeated here, correct the rest.")
            return self._broken(line, "line_too_long", message)
        text, well_formed = self.file.decode(line.data)
        if not well_formed:
            return self._broken(line, "encoding", _lost())
        taken: list[Line] = []
        while True:
            try:
                cells = self._split(text)
                break
            except _OpenQuote:
                more = next(lines, None) if len(taken) < LONGEST_ROW else None
                if more is not None:
                    taken.append(more)
                    text += self.file.decode(more.data)[0]
                    continue
                message = _never_closed()
            except csv.Error as error:
                message = _why(error)
            lines.give_back(taken)
            return self._broken(line, "quotes", message)
        if taken and (len(cells) != len(self.header) or any(more.is_cut for more in taken)):
            lines.give_back(taken)
            return self._broken(line, "quotes", _never_closed())
        return self._row(line, taken[-1] if taken else line, cells)

    def _row(self, line: Line, last: Line, cells: list[str]) -> Row:
        end = Position(last.end, last.number)
        while len(cells) > len(self.header) and not cells[-1].strip():
            cells.pop()
        values = {
            name: unguard(cells[index]).strip()
            for name, index in self.columns.items()
            if index < len(cells) and name != ERRORS
        }
        error = None
        if len(cells) != len(self.header) and any(cell.strip() for cell in cells):
            message = _("This row has %(found)s cells instead of %(wanted)s.")
            shown = {"found": len(cells), "wanted": len(self.header)}
            error = FieldError("", "cell_count", message % shown)
        elif any(_LOST in cell for cell in cells):
            error = FieldError("", "encoding", _lost())
        elif not values.get("number") and any(cell.strip() for cell in cells):
            message = _("The order number is missing; give it in every row.")
            error = FieldError("", NO_NUMBER, message)
        number = values.get("number", "")
        return Row(
            line.number, end, number if error is None else _code(number), cells, values, error
        )

    def _broken(self, line: Line, code: str, message: str) -> Row:
        """A row as far as it can be made out: what is written back never passes as whole."""
        text = self.file.decode(line.data)[0].rstrip("\r\n")
        cells = text.split(self.delimiter)
        index = self.columns["number"]
        number = unguard(cells[index]).strip(' "') if index < len(cells) else ""
        if line.is_cut:
            cells = cells[: index + 1]
        elif code == "quotes":
            cells.append("?")
            message = f"{message} {_('Correct the row and delete the question mark at its end.')}"
        end = Position(line.end, line.number)
        error = FieldError("", code, message)
        return Row(line.number, end, _code(number), cells, {}, error)

    def _split(self, text: str) -> list[str]:
        reader = csv.reader(StringIO(text, newline=""), strict=True, delimiter=self.delimiter)
        try:
            return next(reader, [])
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise _OpenQuote from None
            raise


class _Pushback(Iterator[Line]):
    """Lines, some of which may be given back to be read again."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._returned: deque[Line] = deque()

    def __next__(self) -> Line:
        return self._returned.popleft() if self._returned else next(self._lines)

    def give_back(self, lines: list[Line]) -> None:
        self._returned.extendleft(reversed(lines))


def _code(text: str) -> str:
    return text if CODE.fullmatch(text) and len(text) <= 64 else ""


def _why(error: csv.Error) -> str:
    if "field larger" in str(error):
        return _("A cell of this row is too long.")
    return _("The quotation marks of this row cannot be read.")


def _never_closed() -> str:
    return _("A quotation mark is opened here and never closed.")


def _lost() -> str:
    return _("Characters of this row were lost in a wrong encoding; write them anew.")
