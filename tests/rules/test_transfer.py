"""List entries by file: a preview, then all or nothing; bounded, and no formulas out."""

import csv
import io
import time
import zipfile
from datetime import UTC, datetime

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from rules import lifecycle
from rules.admin import transfer
from rules.models import ListEntry, ReferenceList
from tests.factories import make_user

pytestmark = pytest.mark.django_db

CSV, XLSX = "0", "1"
FORMULAS = ["=1+1", "+86138", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"]


@pytest.fixture
def blocklist() -> ReferenceList:
    return lifecycle.create_list("blocklist", "黑名单", "system")


@pytest.fixture
def client() -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user("operations"))
    return client


def preview(client: Client, content: bytes, kind: str = CSV):
    upload = SimpleUploadedFile("entries.csv" if kind == CSV else "entries.xlsx", content)
    return client.post(
        reverse("admin:rules_listentry_import"),
        {"import_file": upload, "format": kind, "resource": ""},
    )


def confirm(client: Client, response):
    form = response.context["confirm_form"]
    return client.post(reverse("admin:rules_listentry_process_import"), form.initial)


def export(client: Client, kind: str) -> bytes:
    response = client.post(
        reverse("admin:rules_listentry_export"),
        {"format": kind, "resource": "", "export_items": []},
    )
    assert response.status_code == 200
    return response.content


def test_a_file_is_previewed_and_then_taken_at_once(client, blocklist):
    lifecycle.add_list_entries(blocklist, ["C-1"], "system")
    content = (
        "list,value,reason,expires_at\n"
        "blocklist,C-1,fraud,\n"
        "blocklist,＋８６ 138 0000 0000,empty parcels,2027-01-01 00:00:00\n"
    ).encode("utf-8-sig")

    shown = preview(client, content)
    assert ListEntry.objects.count() == 1
    taken = confirm(client, shown)

    assert taken.status_code == 302
    blocklist.refresh_from_db()
    assert blocklist.version == 2
    entries = {entry.skeleton: entry for entry in ListEntry.objects.all()}
    assert (entries["c-1"].reason, entries["c-1"].added_by) == ("fraud", "system")
    added = entries["+8613800000000"]
    assert added.added_by.startswith("user:operations")
    assert added.expires_at == datetime(2026, 12, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nobody,C-1,,", "There is no list “nobody”."),
        ("blocklist,,,", "This field must not be empty."),
        ("blocklist,\u200b\u202e,,", "This field must not be empty."),
        (f"blocklist,{'x' * 501},,", "At most 500 characters."),
        ("blocklist,C-1,,soon", "Expected a time such as 2026-06-18 00:00:00."),
    ],
)
def test_one_bad_row_takes_nothing_and_says_why(client, blocklist, line, said):
    content = f"list,value,reason,expires_at\nblocklist,good,,\n{line}\n".encode()

    shown = preview(client, content)

    assert "confirm_form" not in shown.context or shown.context["confirm_form"] is None
    assert said in shown.content.decode()
    assert not ListEntry.objects.exists()


def test_missing_columns_are_named(client, blocklist):
    shown = preview(client, b"name,reason\nx,y\n")

    assert "Missing columns: list, value." in shown.content.decode()
    assert not ListEntry.objects.exists()


def workbook(rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_taken_as_well(client, blocklist):
    content = workbook([["list", "value", "reason"], ["blocklist", 13800000000, "typed as number"]])

    confirm(client, preview(client, content, XLSX))

    assert ListEntry.objects.get().value == "13800000000"


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_no_exported_cell_is_a_formula(client, blocklist, kind):
    entries = [lifecycle.NewEntry(f"v{n}", text) for n, text in enumerate(FORMULAS)]
    lifecycle.add_list_entries(blocklist, [*FORMULAS, *entries], "system")

    content = export(client, kind)

    if kind == CSV:
        cells = [cell for row in csv.reader(io.StringIO(content.decode())) for cell in row]
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(content)).active
        typed = [cell for row in sheet.iter_rows() for cell in row]
        assert [cell.coordinate for cell in typed if cell.data_type == "f"] == []
        cells = [str(cell.value or "") for cell in typed]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert {f"'{text}" for text in FORMULAS} <= set(cells)


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_what_was_exported_comes_back_the_same(client, blocklist, kind):
    lifecycle.add_list_entries(blocklist, ["+8613800000000", "'quoted", "=x"], "system")
    before = sorted(ListEntry.objects.values_list("value", "skeleton"))
    content = export(client, kind)
    lifecycle.remove_list_entries(
        blocklist, list(ListEntry.objects.values_list("pk", flat=True)), "system"
    )

    confirm(client, preview(client, content, kind))

    assert sorted(ListEntry.objects.values_list("value", "skeleton")) == before


def bomb() -> bytes:
    """A small workbook that unpacks to far more than the bound."""
    out = io.BytesIO(workbook([["list", "value"]]))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/padding.xml", b" " * (transfer.MAX_UNPACKED + 1))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (bomb(), XLSX),
        (b"PK\x03\x04 not really", XLSX),
        (b"list,value\n" + b"blocklist,x\n" * (transfer.MAX_ROWS + 1), CSV),
        (b"\xff\xfe\x00\x01", CSV),
        (b"", CSV),
    ],
)
def test_a_file_too_large_or_broken_is_refused_quickly(client, blocklist, content, kind):
    started = time.process_time()

    response = preview(client, content, kind)

    assert response.status_code == 200
    assert response.context["form"].errors
    assert not ListEntry.objects.exists()
    assert time.process_time() - started < 5


def test_a_sheet_that_claims_a_million_columns_is_read_narrowly(blocklist):
    book = openpyxl.Workbook()
    book.active.append(["list", "value"])
    book.active.cell(row=2, column=1, value="blocklist")
    book.active.cell(row=2, column=2, value="C-1")
    book.active.cell(row=3, column=16_000, value="far away")
    out = io.BytesIO()
    book.save(out)

    dataset = transfer.BoundedXlsx().create_dataset(out.getvalue())

    assert (dataset.headers, len(dataset)) == (["list", "value"], 1)


def test_many_rows_are_one_change(client, blocklist):
    lines = "".join(f"blocklist,C-{number},,\n" for number in range(3_000))

    confirm(client, preview(client, f"list,value,reason,expires_at\n{lines}".encode()))

    blocklist.refresh_from_db()
    assert (ListEntry.objects.count(), blocklist.version) == (3_000, 1)
