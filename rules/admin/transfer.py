"""Bounded file formats for pages that import by django-import-export."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Any

import openpyxl
import tablib
from import_export.formats import base_formats
from import_export.results import Result

from rules.list_files import MAX_ROWS, as_meant, harmless, refuse_large, refuse_long

__all__ = [
    "FORMATS",
    "MAX_ROWS",
    "PreviewedResult",
    "as_meant",
    "harmless",
    "refuse_large",
    "refuse_long",
]

WIDEST = 8
SHOWN_CHANGES = 500


class BoundedCsv(base_formats.CSV):
    """CSV of bounded size; a byte-order mark is no part of the first heading."""

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        refuse_large(len(in_stream))
        text = in_stream.decode() if isinstance(in_stream, bytes) else in_stream
        refuse_long(text.count("\n"))
        dataset: tablib.Dataset = super().create_dataset(text.removeprefix("\ufeff"), **kwargs)
        return dataset


class BoundedXlsx(base_formats.XLSX):
    """XLSX whose unpacked size, rows and columns are bounded before anything is unpacked."""

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        refuse_large(len(in_stream))
        with zipfile.ZipFile(io.BytesIO(in_stream)) as archive:
            refuse_large(sum(member.file_size for member in archive.infolist()))
        book = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True)
        rows: Iterable[tuple[object, ...]] = book.worksheets[0].iter_rows(
            max_col=WIDEST, max_row=MAX_ROWS + 2, values_only=True
        )
        dataset = tablib.Dataset()
        for number, row in enumerate(rows):
            if number == 0:
                width = sum(1 for cell in row if cell is not None)
                dataset.headers = [str(cell) for cell in row[:width]]
            elif any(cell is not None for cell in row):
                refuse_long(number)
                dataset.append(row[:width])
        return dataset


FORMATS = (BoundedCsv, BoundedXlsx)


class PreviewedResult(Result):
    """A result of which the preview shows the beginning only."""

    def valid_rows(self) -> list[Any]:
        """The first rows that can be taken."""
        return list(super().valid_rows()[:SHOWN_CHANGES])
