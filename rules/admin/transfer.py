"""List entries in and out by file: bounded when read, harmless when opened in a spreadsheet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import openpyxl
import tablib
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from import_export import fields, resources, widgets
from import_export.formats import base_formats
from import_export.results import Result

from rules.lifecycle import NewEntry, add_list_entries
from rules.lifecycle.lists import MAX_LENGTH, visible
from rules.models import ListEntry, ReferenceList
from rules.normalization import skeleton

MAX_ROWS = 50_000
MAX_UNPACKED = 20 * 1024 * 1024
COLUMNS = ("list", "value", "reason", "expires_at")
SHOWN_CHANGES = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_meant(text: str) -> str:
    """What `harmless` was given."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text


def refuse_large(size: int) -> None:
    """Raises ValueError for more than 20 MiB."""
    if size > MAX_UNPACKED:
        raise ValueError(_("The file is too large: at most 20 MB, unpacked."))


def refuse_long(rows: int) -> None:
    """Raises ValueError for more than 50,000 rows."""
    if rows > MAX_ROWS:
        raise ValueError(_("The file is too long: at most %(limit)d rows.") % {"limit": MAX_ROWS})


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
            max_col=len(COLUMNS) + 4, max_row=MAX_ROWS + 2, values_only=True
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


class ListEntryResource(resources.ModelResource):
    """Rows of a file as list entries; they are put on their lists all at once, by one act."""

    list = fields.Field(attribute="list__key", column_name="list", readonly=True)
    expires_at = fields.Field(
        attribute="expires_at", column_name="expires_at", widget=widgets.DateTimeWidget()
    )

    class Meta:
        model = ListEntry
        fields = COLUMNS
        import_order = export_order = COLUMNS
        import_id_fields = ("value",)
        # Nothing is written row by row, so that nothing needs a savepoint a row.
        use_transactions = False
        skip_unchanged = False

    @classmethod
    def get_result_class(cls) -> type[Result]:
        """Long files are not shown whole."""
        return PreviewedResult

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        """Learn what is on the lists already, in two queries."""
        if missing := [name for name in ("list", "value") if name not in (dataset.headers or ())]:
            raise ValidationError(_("Missing columns: %(names)s.") % {"names": ", ".join(missing)})
        refuse_long(len(dataset))
        self._lists = {found.key: found for found in ReferenceList.objects.all()}
        used = {str(key) for key in dataset["list"]}
        entries = ListEntry.objects.filter(list__key__in=used).select_related("list")
        self._known = {(entry.list_id, entry.skeleton): entry for entry in entries}
        self._taken: dict[int, list[NewEntry]] = {}
        self._meta.skip_diff = len(dataset) > SHOWN_CHANGES

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Bring the cells into shape; refuse what no list can take."""
        for name in ("value", "reason"):
            row[name] = visible(as_meant(_text(row.get(name))))
        key = _text(row.get("list")).strip()
        if key not in self._lists:
            raise ValidationError({"list": _("There is no list “%(list)s”.") % {"list": key[:64]}})
        skel = skeleton(row["value"])
        if not skel:
            raise ValidationError({"value": _("This field must not be empty.")})
        if max(len(row["value"]), len(skel), len(row["reason"])) > MAX_LENGTH:
            raise ValidationError(
                {"value": _("At most %(limit)d characters.") % {"limit": MAX_LENGTH}}
            )

    def get_instance(self, instance_loader: Any, row: Mapping[str, Any]) -> ListEntry | None:
        """The entry that this row would change."""
        return self._known.get((self._lists[row["list"]].pk, skeleton(row["value"])))

    def import_instance(self, instance: ListEntry, row: dict[str, Any], **kwargs: Any) -> None:
        """Fill the entry; the stored spelling of a value stays."""
        instance.list = self._lists[row["list"]]
        instance.value = instance.value or row["value"]
        instance.reason = row["reason"]
        instance.expires_at = self._expiry(row.get("expires_at"))

    def save_instance(
        self, instance: ListEntry, is_create: bool, row: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """Keep the row for the one act at the end."""
        entry = NewEntry(row["value"], instance.reason, instance.expires_at)
        self._taken.setdefault(instance.list_id, []).append(entry)

    def after_import(self, dataset: tablib.Dataset, result: Any, **kwargs: Any) -> None:
        """Put everything on the lists, unless this is only the preview or a row is wrong."""
        if kwargs.get("dry_run") or result.has_errors() or result.has_validation_errors():
            return
        actor = f"user:{kwargs['user'].get_username()}"
        with transaction.atomic():
            for reference_list in sorted(self._lists.values(), key=lambda found: found.pk):
                if entries := self._taken.get(reference_list.pk):
                    add_list_entries(reference_list, entries, actor)

    def export_field(self, field: Any, instance: ListEntry, **kwargs: Any) -> Any:
        """No cell may act as a formula."""
        value = super().export_field(field, instance, **kwargs)
        return harmless(value) if isinstance(value, str) else value

    def _expiry(self, raw: object) -> datetime | None:
        try:
            expires_at: datetime | None = self.fields["expires_at"].widget.clean(raw)
        except ValueError:
            raise ValidationError(
                {"expires_at": _("Expected a time such as 2026-06-18 00:00:00.")}
            ) from None
        return expires_at


def _text(cell: object) -> str:
    """A cell as text; a number typed into a spreadsheet is meant as its digits."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
