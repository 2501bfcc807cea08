"""List entries by file: a preview, then all or nothing; bounded, and no formulas out."""

import csv
import io
import re
import time
import zipfile
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from changefeed.models import Change
from rules import lifecycle, list_files
from rules.list_files import Unreadable, read_file
from rules.models import ListEntry, ReferenceList
from tests.factories import make_user

pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+86138", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"]
UNTIL = datetime(2026, 12, 31, 16, tzinfo=UTC)
IMPORT = "admin:rules_listentry_import"


@pytest.fixture
def blocklist() -> ReferenceList:
    return lifecycle.create_list("blocklist", "黑名单", "system")


def as_(group: str) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group))
    return client


@pytest.fixture
def client() -> Client:
    return as_("operations")


def preview(client: Client, content: bytes, name: str = "entries.csv", **fields: Any) -> Any:
    upload = SimpleUploadedFile(name, content)
    return client.post(reverse(IMPORT), {"file": upload, **fields})


def pasted(client: Client, lines: str, **fields: Any) -> Any:
    return client.post(reverse(IMPORT), {"lines": lines, **fields})


def confirm(client: Client, response: Any) -> Any:
    return client.post(
        reverse("admin:rules_listentry_process_import"), {"token": response.context["token"]}
    )


def messages(response: Any, client: Client) -> str:
    return client.get(response.headers["Location"]).content.decode()


def entries() -> list[tuple[str, str, str, datetime | None]]:
    columns = ("list__key", "value", "reason", "expires_at")
    return list(ListEntry.objects.order_by("list__key", "value").values_list(*columns))


def export(client: Client, kind: str, **asked: Any) -> bytes:
    response = client.get(reverse("admin:rules_listentry_export"), {"format": kind, **asked})
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return bytes(response.content)


# --- preview and confirmation -------------------------------------------------------------------


def test_a_file_is_previewed_and_then_taken_at_once(
    client: Client, blocklist: ReferenceList
) -> None:
    lifecycle.add_list_entries(blocklist, ["C-1"], "system")
    content = (
        "list,value,reason,expires_at\n"
        "blocklist,C-1,fraud,\n"
        "blocklist,＋８６ 138 0000 0000,empty parcels,2027-01-01 00:00:00\n"
    ).encode("utf-8-sig")

    shown = preview(client, content)
    assert ListEntry.objects.count() == 1
    taken = confirm(client, shown)

    assert taken.headers["Location"] == reverse(
        "admin:rules_referencelist_change", args=[blocklist.pk]
    )
    blocklist.refresh_from_db()
    assert blocklist.version == 2
    found = {entry.skeleton: entry for entry in ListEntry.objects.all()}
    assert (found["c-1"].reason, found["c-1"].added_by) == ("fraud", "system")
    added = found["+8613800000000"]
    assert added.added_by.startswith("user:operations")
    assert added.expires_at == UNTIL


def test_the_preview_tells_new_from_changed_unchanged_and_removed(
    client: Client, blocklist: ReferenceList
) -> None:
    kept = [
        lifecycle.NewEntry("same", "r"),
        lifecycle.NewEntry("other", "old reason", UNTIL),
        lifecycle.NewEntry("goes", "was here"),
    ]
    lifecycle.add_list_entries(blocklist, kept, "system")
    content = b"value,reason,expires_at\nSAME,r,\nother,new reason,\nnew,n,2027-01-01\n"

    shown = preview(client, content, list=blocklist.pk, replace="1")

    (item,) = shown.context["preview"]["lists"]
    change = item["change"]
    assert [new.value for new in change.added] == ["new"]
    assert [(old.value, old.reason, new.reason) for old, new in change.changed] == [
        ("other", "old reason", "new reason")
    ]
    assert change.unchanged == 1
    assert [old.value for old in change.removed] == ["goes"]
    page = " ".join(shown.content.decode().split())
    assert "<del>old reason</del> → <ins>new reason</ins>" in page
    assert "<del>2027-01-01 00:00</del> → <ins>–</ins>" in page
    assert "<del>goes</del>" in page
    assert ListEntry.objects.count() == 3

    confirm(client, shown)

    assert entries() == [
        ("blocklist", "new", "n", UNTIL),
        ("blocklist", "other", "new reason", None),
        ("blocklist", "same", "r", None),
    ]
    fed = Change.objects.filter(kind="list.entries_replaced").get()
    assert fed.new == {"added": 1, "changed": 1, "removed": 1}
    assert fed.actor.startswith("user:operations")


def test_without_replacing_nothing_is_removed(client: Client, blocklist: ReferenceList) -> None:
    lifecycle.add_list_entries(blocklist, ["stays"], "system")

    confirm(client, preview(client, b"value\nnew\n", list=blocklist.pk))

    assert [row[1] for row in entries()] == ["new", "stays"]


def test_columns_the_file_does_not_have_stay_as_they_are(
    client: Client, blocklist: ReferenceList
) -> None:
    lifecycle.add_list_entries(blocklist, [lifecycle.NewEntry("C-1", "fraud", UNTIL)], "system")

    shown = preview(client, b"value\nC-1\n", list=blocklist.pk)

    assert shown.context["preview"]["does_anything"] is False
    assert "token" not in shown.context
    assert "Nothing would change." in shown.content.decode()


def test_lines_are_pasted_with_what_holds_for_all(client: Client, blocklist: ReferenceList) -> None:
    lines = "C-1\n\n  C-2\tcalled himself\nC-1\n"

    confirm(
        client,
        pasted(
            client,
            lines,
            list=blocklist.pk,
            reason="case 7",
            expires_on="2027-01-01",
        ),
    )

    assert entries() == [
        ("blocklist", "C-1", "case 7", UNTIL),
        ("blocklist", "C-2", "called himself", UNTIL),
    ]


def test_one_file_fills_several_lists_or_none(client: Client, blocklist: ReferenceList) -> None:
    lifecycle.create_list("embargo", "禁运", "system")
    content = b"list,value\nblocklist,C-1\nembargo,X\n"

    shown = preview(client, content)
    ReferenceList.objects.filter(key="embargo").update(version=9)
    answer = confirm(client, shown)

    assert "was changed meanwhile" in messages(answer, client)
    assert entries() == []
    confirm(client, preview(client, content))
    assert [row[:2] for row in entries()] == [("blocklist", "C-1"), ("embargo", "X")]


def test_pressing_twice_takes_it_once(client: Client, blocklist: ReferenceList) -> None:
    shown = preview(client, b"value\nC-1\n", list=blocklist.pk)

    first = confirm(client, shown)
    second = confirm(client, shown)

    assert (first.status_code, second.status_code) == (302, 302)
    blocklist.refresh_from_db()
    assert (blocklist.version, ListEntry.objects.count()) == (1, 1)


def test_a_list_changed_since_the_preview_is_not_overwritten(
    client: Client, blocklist: ReferenceList
) -> None:
    shown = preview(client, b"value\nC-1\n", list=blocklist.pk, replace="1")
    lifecycle.add_list_entries(blocklist, ["C-2"], "user:other")

    answer = confirm(client, shown)

    assert "The list “黑名单” was changed meanwhile." in messages(answer, client)
    assert [row[1] for row in entries()] == ["C-2"]


def test_another_persons_preview_is_nobody_elses(client: Client, blocklist: ReferenceList) -> None:
    shown = preview(client, b"value\nC-1\n", list=blocklist.pk)

    answer = confirm(as_("operations"), shown)

    assert answer.headers["Location"] == reverse(IMPORT)
    assert not ListEntry.objects.exists()


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("nobody,C-1,,", "list", "There is no list “nobody”."),
        (",C-1,,", "list", "Say which list, in a column “list” or in the form."),
        ("blocklist,,r,", "value", "This field must not be empty."),
        ("blocklist,\u200b\u202e,,", "value", "This field must not be empty."),
        (f"blocklist,{'x' * 501},,", "value", "At most 500 characters."),
        (f"blocklist,x,{'x' * 501},", "value", "At most 500 characters."),
        ("blocklist,C-1,,soon", "expires_at", "Expected a time such as 2026-06-18 00:00:00."),
        ("blocklist,C-1,,2026-02-30", "expires_at", "Expected a time such as"),
    ],
)
def test_one_bad_row_takes_nothing_and_says_where(
    client: Client, blocklist: ReferenceList, line: str, column: str, said: str
) -> None:
    content = f"list,value,reason,expires_at\nblocklist,good,,\n{line}\n".encode()

    shown = preview(client, content)

    (error,) = shown.context["preview"]["errors"]
    assert (error.number, error.column) == (3, column)
    assert said in shown.content.decode()
    assert "1 mistake; nothing is imported." in shown.content.decode()
    assert "token" not in shown.context
    assert not ListEntry.objects.exists()


def test_every_mistake_is_counted_and_the_first_are_shown(
    client: Client, blocklist: ReferenceList
) -> None:
    content = "value,reason\n" + ",no value\n" * 300

    shown = preview(client, content.encode(), list=blocklist.pk)

    assert len(shown.context["preview"]["errors"]) == 200
    page = " ".join(shown.content.decode().split())
    assert "300 mistakes; nothing is imported." in page
    assert "and 100 more" in page


def test_a_row_for_another_list_than_the_chosen_one_is_a_mistake(
    client: Client, blocklist: ReferenceList
) -> None:
    lifecycle.create_list("embargo", "禁运", "system")

    shown = preview(client, b"list,value\nembargo,X\n", list=blocklist.pk)

    assert "This row is for the list “禁运”." in shown.content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose a file or paste some lines."),
        ({"lines": "  \n "}, "Choose a file or paste some lines."),
        ({"lines": "x", "list": "999"}, "Select a valid choice."),
        ({"lines": "x", "expires_time": "10:00"}, "Choose the day as well."),
        ({"lines": "x", "expires_on": "soon"}, "Enter a valid date."),
    ],
)
def test_an_empty_form_says_what_is_missing(
    client: Client, blocklist: ReferenceList, fields: dict[str, str], said: str
) -> None:
    assert said in client.post(reverse(IMPORT), fields).content.decode()


def test_missing_columns_are_named(client: Client, blocklist: ReferenceList) -> None:
    shown = preview(client, b"name,reason\nx,y\n")

    assert "Missing columns: value." in shown.content.decode()
    assert not ListEntry.objects.exists()


def test_a_list_can_be_emptied_knowingly(client: Client, blocklist: ReferenceList) -> None:
    lifecycle.add_list_entries(blocklist, ["C-1"], "system")

    shown = preview(client, b"value\n", list=blocklist.pk, replace="1")
    confirm(client, shown)

    assert not ListEntry.objects.exists()


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["supervisor", "agent", "warehouse"])
def test_only_operations_import(blocklist: ReferenceList, group: str) -> None:
    other = as_(group)

    answers = [
        other.get(reverse(IMPORT)),
        pasted(other, "C-1", list=blocklist.pk),
        other.post(reverse("admin:rules_listentry_process_import"), {"token": "x"}),
        other.post(reverse("admin:rules_listentry_undo"), {"token": "x"}),
        other.post(reverse("admin:rules_listentry_remove"), {"entry": "1"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert not ListEntry.objects.exists()


def test_those_who_do_not_read_rules_export_nothing(blocklist: ReferenceList) -> None:
    assert as_("warehouse").get(reverse("admin:rules_listentry_export")).status_code == 403
    assert as_("agent").get(reverse("admin:rules_listentry_export")).status_code == 200


# --- undo ---------------------------------------------------------------------------------------


def undo_token(page: str) -> str:
    found = re.search(r'class="ls-undo">.*?name="token" value="([^"]+)"', page, re.DOTALL)
    assert found is not None, page[:2000]
    return found[1]


def test_a_removal_is_undone_as_it_was(client: Client, blocklist: ReferenceList) -> None:
    kept = [lifecycle.NewEntry("C-1", "fraud", UNTIL), lifecycle.NewEntry("C-2", "x")]
    lifecycle.add_list_entries(blocklist, kept, "system")
    before = entries()
    chosen = list(ListEntry.objects.values_list("pk", flat=True))

    answer = client.post(
        reverse("admin:rules_listentry_remove"), {"entry": chosen, "list": blocklist.pk}
    )
    assert not ListEntry.objects.exists()
    page = messages(answer, client)
    assert "2 entries were removed." in page
    undo = reverse("admin:rules_listentry_undo")
    first = client.post(undo, {"token": undo_token(page)})
    second = client.post(undo, {"token": undo_token(page)})

    assert entries() == before
    said = messages(first, client)
    assert "2 entries are back." in said
    assert "0 entries are back." in said
    assert second.status_code == 302
    assert Change.objects.filter(kind="list.entries_restored").count() == 1


def test_undo_leaves_what_came_back_meanwhile(client: Client, blocklist: ReferenceList) -> None:
    lifecycle.add_list_entries(blocklist, ["C-1", "C-2"], "system")
    chosen = list(ListEntry.objects.values_list("pk", flat=True))
    page = messages(client.post(reverse("admin:rules_listentry_remove"), {"entry": chosen}), client)
    lifecycle.add_list_entries(blocklist, [lifecycle.NewEntry("c-1", "again")], "user:other")

    client.post(reverse("admin:rules_listentry_undo"), {"token": undo_token(page)})

    assert [row[1:3] for row in entries()] == [("C-2", ""), ("c-1", "again")]


def test_a_replaced_list_is_undone_too(client: Client, blocklist: ReferenceList) -> None:
    lifecycle.add_list_entries(blocklist, ["old"], "system")
    answer = confirm(client, preview(client, b"value\nnew\n", list=blocklist.pk, replace="1"))

    client.post(
        reverse("admin:rules_listentry_undo"), {"token": undo_token(messages(answer, client))}
    )

    assert [row[1] for row in entries()] == ["new", "old"]


def test_it_is_too_late_to_undo_what_is_forgotten(client: Client, blocklist: ReferenceList) -> None:
    answer = client.post(reverse("admin:rules_listentry_undo"), {"token": "no"})

    assert "It is too late to undo this" in messages(answer, client)


# --- files --------------------------------------------------------------------------------------


def workbook(rows: Any) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_taken_as_well(client: Client, blocklist: ReferenceList) -> None:
    rows = [
        ["List", "Value", "reason", "expires_at"],
        ["blocklist", 13800000000, "typed as number", datetime(2027, 1, 1)],
    ]

    confirm(client, preview(client, workbook(rows), "entries.xlsx"))

    assert entries() == [("blocklist", "13800000000", "typed as number", UNTIL)]


@pytest.mark.parametrize(
    "content",
    [
        "value,reason\n新疆,禁运\n".encode("gb18030"),
        "value;reason\n新疆;禁运\n".encode(),
        "value\treason\r\n新疆\t禁运\r\n".encode("utf-8-sig"),
    ],
)
def test_files_as_spreadsheets_write_them_are_read(content: bytes) -> None:
    (row,) = read_file(content)

    assert (row.number, row.value, row.reason, row.expires_at) == (2, "新疆", "禁运", None)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_exported_cell_is_a_formula(client: Client, blocklist: ReferenceList, kind: str) -> None:
    given = [lifecycle.NewEntry(f"v{n}", text) for n, text in enumerate(FORMULAS)]
    lifecycle.add_list_entries(blocklist, [*FORMULAS, *given], "system")

    content = export(client, kind)

    if kind == "csv":
        text = content.decode("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(content)).active
        typed = [cell for row in sheet.iter_rows() for cell in row]
        assert [cell.coordinate for cell in typed if cell.data_type == "f"] == []
        cells = [str(cell.value or "") for cell in typed]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert {f"'{text}" for text in FORMULAS} <= set(cells)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_was_exported_comes_back_the_same(
    client: Client, blocklist: ReferenceList, kind: str
) -> None:
    kept: list[lifecycle.NewEntry | str] = [
        "+8613800000000",
        "'quoted",
        "=x",
        lifecycle.NewEntry("t", 'a,"b"', UNTIL),
    ]
    lifecycle.add_list_entries(blocklist, kept, "system")
    before = entries()
    content = export(client, kind, list=blocklist.pk)
    lifecycle.remove_list_entries(
        blocklist, list(ListEntry.objects.values_list("pk", flat=True)), "system"
    )

    confirm(client, preview(client, content, f"x.{kind}"))

    assert entries() == before


def bomb() -> bytes:
    """A small workbook that unpacks to far more than the bound."""
    out = io.BytesIO(workbook([["list", "value"]]))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/padding.xml", b" " * (list_files.MAX_UNPACKED + 1))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        bomb(),
        b"PK\x03\x04 not really",
        b"list,value\n" + b"blocklist,x\n" * (list_files.MAX_ROWS + 1),
        b"\xff\xfe\x00\x01",
        b"",
        b"value\n\x00\x00",
        b'value\n"' + b"x" * 200_000,
    ],
)
def test_a_file_too_large_or_broken_is_refused_quickly(
    client: Client, blocklist: ReferenceList, content: bytes
) -> None:
    started = time.process_time()

    response = preview(client, content, list=blocklist.pk)

    assert response.status_code == 200
    assert response.context["form"].errors
    assert not ListEntry.objects.exists()
    assert time.process_time() - started < 5


def test_a_sheet_that_claims_a_million_columns_is_read_narrowly() -> None:
    book = openpyxl.Workbook()
    book.active.append(["list", "value"])
    book.active.cell(row=2, column=1, value="blocklist")
    book.active.cell(row=2, column=2, value="C-1")
    book.active.cell(row=3, column=16_000, value="far away")
    out = io.BytesIO()
    book.save(out)

    assert [(row.list, row.value) for row in read_file(out.getvalue())] == [("blocklist", "C-1")]


def test_a_long_sheet_is_refused() -> None:
    with pytest.raises(Unreadable, match="too long"):
        list_files.read_lines("x\n" * (list_files.MAX_ROWS + 1))


def test_many_rows_are_one_change(client: Client, blocklist: ReferenceList) -> None:
    lines = "".join(f"blocklist,C-{number},,\n" for number in range(3_000))

    shown = preview(client, f"list,value,reason,expires_at\n{lines}".encode())
    confirm(client, shown)

    blocklist.refresh_from_db()
    assert (ListEntry.objects.count(), blocklist.version) == (3_000, 1)
