"""List entries as files: bounded when read, harmless when opened in a spreadsheet; pure."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any

import openpyxl
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

MAX_ROWS = 50_000
MAX_UNPACKED = 20 * 1024 * 1024
COLUMNS = ("list", "value", "reason", "expires_at")
ENCODINGS = ("utf-8-sig", "gb18030")
"""Spreadsheets in China still write the second when they save CSV."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Unreadable(ValueError):
    """A file that cannot be taken at all; its text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands in the file; `number` as a spreadsheet counts, the heading being 1.

    A column that the file does not have is None.
    """

    number: int
    value: object
    list: object = None
    reason: object = None
    expires_at: object = None


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_meant(text: str) -> str:
    """What `harmless` was given."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text


def refuse_large(size: int) -> None:
    """Raises Unreadable for more than 20 MiB."""
    if size > MAX_UNPACKED:
        raise Unreadable(_("The file is too large: at most 20 MB, unpacked."))


def refuse_long(rows: int) -> None:
    """Raises Unreadable for more than 50,000 rows."""
    if rows > MAX_ROWS:
        raise Unreadable(_("The file is too long: at most %(limit)d rows.") % {"limit": MAX_ROWS})


def read_file(content: bytes) -> list[Row]:
    """The rows of a CSV file or a workbook, told apart by their first bytes.

    Raises Unreadable for a file that is too large, is broken or has no column `value`.
    """
    refuse_large(len(content))
    try:
        rows = _workbook(content) if content.startswith(b"PK") else _csv(content)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(_("The file cannot be read; save it as CSV or XLSX.")) from error
    return _named(rows)


def read_lines(text: str) -> list[Row]:
    """Pasted lines: a value each, or cells as they come out of a spreadsheet, between tabs."""
    refuse_large(len(text))
    refuse_long(text.count("\n"))
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            value, _tab, reason = line.partition("\t")
            rows.append(Row(number, value, reason=reason.replace("\t", " ") if reason else None))
    return rows


def expiry(cell: object, zone: tzinfo) -> datetime | None:
    """A time written in a cell, in the zone unless it says otherwise; None for an empty one.

    Raises ValueError for anything else.
    """
    if cell is None or cell == "":
        return None
    moment = cell
    if isinstance(cell, str):
        text = cell.strip()
        with suppress(ValueError):
            moment = parse_datetime(text) or parse_date(text)
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    if not isinstance(moment, datetime):
        raise ValueError(_("Expected a time such as 2026-06-18 00:00:00."))
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=zone)


def write_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV file with headings; begins with the mark by which spreadsheets know Unicode."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook with headings, all cells text."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("entries")
    for row in (COLUMNS, *rows):
        sheet.append([harmless(cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def text_of(cell: object) -> str:
    """A cell as text; a number typed into a spreadsheet is meant as its digits."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return as_meant(str(cell))


def _csv(content: bytes) -> list[list[Any]]:
    text = _decoded(content)
    refuse_long(text.count("\n"))
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def _decoded(content: bytes) -> str:
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            if "\x00" not in text:
                return text
    raise Unreadable(_("The file cannot be read; save it as CSV or XLSX."))


def _workbook(content: bytes) -> list[list[Any]]:
    """The first sheet; its unpacked size, rows and columns are bounded before it is unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        refuse_large(sum(member.file_size for member in archive.infolist()))
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    cells = book.worksheets[0].iter_rows(
        max_col=len(COLUMNS) + 4, max_row=MAX_ROWS + 2, values_only=True
    )
    rows = [list(row) for row in cells]
    refuse_long(len(rows) - 1)
    return rows


def _named(rows: list[list[Any]]) -> list[Row]:
    headings = [str(cell or "").strip().lower() for cell in rows[0]] if rows else []
    if "value" not in headings:
        raise Unreadable(_("Missing columns: %(names)s.") % {"names": "value"})
    found = []
    for number, cells in enumerate(rows[1:], start=2):
        row: Mapping[str, Any] = {
            name: cell for name, cell in zip(headings, cells, strict=False) if name in COLUMNS
        }
        if any(cell not in (None, "") for cell in row.values()):
            given = {name: row.get(name, "") for name in COLUMNS if name in headings}
            found.append(Row(number, **given))
    return found
