"""`manage.py import_orders`: good files, bad rows of every kind, stops, and corrected rejects."""

import csv
import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders.importing import runner
from orders.importing.columns import COLUMNS
from orders.models import Order, OrderLine
from tests.factories import order_document

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture(autouse=True)
def _english_and_own_folder(settings: Any, tmp_path: Path) -> Iterator[None]:
    from django.utils import translation

    settings.DATA_DIR = tmp_path / "data"
    with translation.override("en"):
        yield


def run(path: Path, **options: Any) -> tuple[int, dict[str, str], str]:
    """Exit status, the summary, and what the error says."""
    from io import StringIO

    out = StringIO()
    status, said = 0, ""
    try:
        call_command("import_orders", str(path), stdout=out, **options)
    except CommandError as error:
        status, said = error.returncode, str(error)
    lines = [line.split(": ") for line in out.getvalue().splitlines() if ": " in line]
    return status, dict(lines), said


def row(number: str, **changes: str) -> dict[str, str]:
    cells = {
        "number": number,
        "channel": "douyin",
        "placed_at": "2026-01-11T02:13:09+08:00",
        "paid_at": "2026-01-11T02:13:41+08:00",
        "currency": "CNY",
        "customer_external_id": f"C-{number}",
        "customer_name": "林婷",
        "customer_phone": "+8613800000000",
        "ship_name": "林婷",
        "ship_phone": "+8613800000000",
        "province": "浙江省",
        "city": "杭州市",
        "district": "余杭区",
        "street": f"文一西路 {number} 号",
        "sku": "TEA-1",
        "quantity": "1",
        "unit_price": "99.00",
    }
    return {**dict.fromkeys(COLUMNS, ""), **cells, **changes}


def write_csv(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def numbers() -> list[str]:
    return sorted(Order.objects.values_list("number", flat=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_is_stored_whatever_its_encoding(tmp_path, encoding):
    path = write_csv(
        tmp_path / "a.csv", [row("A-1"), row("A-1", sku="LENS-85"), row("A-2")], encoding
    )

    status, said, _error = run(path)

    assert (status, said["stored"], said["rejected"]) == (0, "2", "0")
    assert numbers() == ["A-1", "A-2"]
    assert Order.objects.get(number="A-1").province == "浙江省"
    assert OrderLine.objects.filter(order__number="A-1").count() == 2
    assert not list(tmp_path.glob("*.rejected*"))


def test_gzip_and_json_lines_are_read(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number in ("J-1", "J-2"):
            file.write(json.dumps(order_document(number), ensure_ascii=False) + "\n\n")

    status, said, _error = run(path, source="erp")

    assert (status, said["stored"]) == (0, "2")
    assert set(Order.objects.values_list("source", flat=True)) == {"erp"}


def test_a_second_run_replays_and_changes_nothing(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1"), row("A-2")])
    run(path)

    status, said, _error = run(path)

    assert (status, said["stored"], said["replayed"]) == (0, "0", "2")


def test_a_known_number_with_another_content_is_rejected_beside_its_replay(tmp_path):
    run(write_csv(tmp_path / "a.csv", [row("A-1")]))
    rows = [row("A-1"), row("A-2"), row("A-1", quantity="2")]

    status, said, _error = run(write_csv(tmp_path / "b.csv", rows))

    assert status == 1
    assert (said["stored"], said["replayed"], said["rejected"]) == ("1", "1", "1")
    assert (
        "used before with different content" in read_csv(tmp_path / "b.rejected.csv")[0]["errors"]
    )
    assert OrderLine.objects.get(order__number="A-1").quantity == 1


BAD_ROWS = {
    "unknown-sku": {"sku": "NOPE"},
    "unknown-channel": {"channel": "nowhere"},
    "place": {"province": "浙江省", "city": "广州市"},
    "zero": {"quantity": "0"},
    "negative": {"quantity": "-1"},
    "fraction": {"quantity": "1.5"},
    "price": {"unit_price": "９９"},
    "currency": {"currency": "USD"},
    "naive": {"placed_at": "2026-01-01T10:00:00"},
    "future": {"placed_at": "2999-01-01T10:00:00+08:00", "paid_at": ""},
    "phone": {"ship_phone": "not a phone"},
    "flag": {"urgent": "maybe"},
    "total": {"grand_total": "1.00"},
    "coupon": {"coupons": "only-a-code"},
    "no-street": {"street": ""},
    "bad number!": {},
}


def test_every_kind_of_bad_row_is_rejected_with_its_column_and_harms_no_other(tmp_path):
    rows = [row("GOOD-1"), *(row(number, **cells) for number, cells in BAD_ROWS.items())]
    path = write_csv(tmp_path / "a.csv", [*rows, row("GOOD-2")])

    status, said, error = run(path, batch=5)

    assert (status, said["stored"], said["rejected"]) == (1, "2", str(len(BAD_ROWS)))
    assert numbers() == ["GOOD-1", "GOOD-2"]
    rejected = read_csv(tmp_path / "a.rejected.csv")
    assert str(tmp_path / "a.rejected.csv") in error
    assert [cells["number"] for cells in rejected] == list(BAD_ROWS)
    blamed = {cells["number"]: cells["errors"].split(":")[0] for cells in rejected}
    assert blamed["unknown-sku"] == "sku"
    assert blamed["place"] == "city"
    assert blamed["zero"] == blamed["negative"] == blamed["fraction"] == "quantity"
    assert blamed["total"] == "grand_total"
    assert blamed["bad number!"] == "number"
    assert next(c["errors"] for c in rejected if c["number"] == "flag") == (
        "urgent: Expected true or false."
    )


def test_corrected_rejects_are_imported_as_they_are(tmp_path):
    remark = "=HYPERLINK(1)"
    rows = [
        row("A-1", sku="NOPE", buyer_remark=remark),
        row("A-1", sku="LENS-85", buyer_remark=remark),
        row("A-2"),
    ]
    assert run(write_csv(tmp_path / "a.csv", rows))[0] == 1
    rejected = tmp_path / "a.rejected.csv"
    first, second = read_csv(rejected)
    assert (first["buyer_remark"], second["errors"]) == (f"'{remark}", "")
    assert first["customer_phone"] == "'+8613800000000"

    assert run(rejected)[1] == {**run(rejected)[1], "stored": "0", "rejected": "1"}
    rejected.write_text(
        rejected.read_text(encoding="utf-8-sig").replace("NOPE", "TEA-1"), encoding="utf-8-sig"
    )
    status, said, _error = run(rejected)

    assert (status, said["stored"]) == (0, "1")
    order = Order.objects.get(number="A-1")
    assert order.buyer_remark == remark
    assert order.ship_phone == "+8613800000000"
    assert order.lines.count() == 2


def broken_file(tmp_path: Path, broken: bytes) -> Path:
    path = write_csv(tmp_path / "a.csv", [row("A-1"), row("A-2"), row("A-3")])
    lines = path.read_bytes().split(b"\r\n")
    lines[2] = broken.replace(b"ROW", lines[2])
    path.write_bytes(b"\r\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"ROW,surplus", "cells instead"),
        (b"A-2,douyin", "cells instead"),
        (b'A-2,"douyin', "opened here and never closed"),
        (b'ROW,"', "opened here and never closed"),
        (b'A-2,"dou"yin",x', "quotation marks of this row"),
        (b"A-2,\xff\xfe,ROW", "wrong encoding"),
        (b'"A-2","' + b"x" * 200_000 + b'"', "too long"),
        (b"A-2," + b"x" * 3_000_000, "line is too long"),
    ],
)
def test_a_broken_row_costs_its_own_order_only(tmp_path, broken, said):
    path = broken_file(tmp_path, broken)
    status, summary, _error = run(path)

    assert (status, summary["stored"], summary["rejected"]) == (1, "2", "1")
    assert numbers() == ["A-1", "A-3"]
    rejected = tmp_path / "a.rejected.csv"
    text = rejected.read_text(encoding="utf-8-sig")
    assert said in text
    assert len(text) < 20_000 or "x" * 200_000 in text

    assert run(rejected)[:2][0] == 1, "uncorrected, it is refused again"
    assert numbers() == ["A-1", "A-3"]


def test_a_row_without_a_readable_number_takes_its_neighbours_along(tmp_path):
    path = broken_file(tmp_path, b"\xff\xfe\xff")

    status, summary, _error = run(path, batch=1)

    assert (status, summary["stored"], summary["rejected"]) == (1, "0", "2")
    assert numbers() == []


def test_a_row_without_its_number_keeps_the_order_before_it_from_being_stored_in_part(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1"), row("", sku="LENS-85"), row("A-2")])

    status, summary, _error = run(path)

    assert (status, summary["stored"], summary["rejected"]) == (1, "1", "1")
    assert numbers() == ["A-2"]
    first, second = read_csv(tmp_path / "a.rejected.csv")
    assert (first["errors"], second["errors"]) == (
        "",
        "The order number is missing; give it in every row.",
    )


def test_surplus_commas_and_blank_rows_are_no_error(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1"), dict.fromkeys(COLUMNS, ""), row("A-2")])
    path.write_bytes(path.read_bytes().replace(b"\r\n", b",,\r\n\r\n"))

    status, summary, _error = run(path)

    assert (status, summary["stored"]) == (0, "2")


def test_an_order_of_too_many_rows_is_refused_whole_in_constant_memory(tmp_path):
    rows = [row("BIG") for _ in range(450)]
    path = write_csv(tmp_path / "a.csv", [row("A-1"), *rows, row("A-2")])

    status, summary, _error = run(path, batch=1)

    assert (status, summary["stored"], summary["rejected"]) == (1, "2", "3")
    assert numbers() == ["A-1", "A-2"]
    assert len(read_csv(tmp_path / "a.rejected.csv")) == 450


def test_a_remark_may_span_lines_and_a_tab_or_semicolon_may_divide_cells(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1", buyer_remark="line 1\nline 2, and 3")])
    assert run(path)[0] == 0
    assert Order.objects.get(number="A-1").buyer_remark == "line 1\nline 2, and 3"
    tabbed = tmp_path / "b.tsv"
    tabbed.write_text("\t".join(COLUMNS) + "\n" + "\t".join(row("A-2").values()) + "\n")
    assert run(tabbed)[0] == 0
    assert numbers() == ["A-1", "A-2"]


JSON_LINES = [
    ("not json {", "not_json"),
    ("[1, 2]", "model_type"),
    ("null", "model_type"),
    ('{"number": "J-9"}', "missing"),
    (json.dumps(order_document("J-8", channel="nowhere")), "unknown_channel"),
    (json.dumps({**order_document("J-7"), "surprise": 1}), "extra_forbidden"),
    ("[" * 100_000, "not_json"),
    ('{"number": "' + "x" * 2_000_000 + '"}', "line_too_long"),
]


def test_bad_json_lines_are_wrapped_with_their_errors_and_refused_again(tmp_path):
    path = tmp_path / "a.jsonl"
    good = json.dumps(order_document("J-1"))
    path.write_text("\n".join([good, *(line for line, _code in JSON_LINES)]))

    status, summary, _error = run(path)

    assert (status, summary["stored"], summary["rejected"]) == (1, "1", str(len(JSON_LINES)))
    rejected = tmp_path / "a.rejected.jsonl"
    written = [json.loads(line) for line in rejected.read_text().splitlines()]
    for found, (_line, code) in zip(written, JSON_LINES, strict=True):
        assert code in [error["code"] for error in found["errors"]]
    assert run(rejected)[1]["rejected"] == str(len(JSON_LINES))
    assert numbers() == ["J-1"]


def test_a_corrected_wrapped_document_is_imported(tmp_path):
    path = tmp_path / "a.jsonl"
    document = order_document("J-8", channel="nowhere")
    path.write_text(json.dumps(document) + "\n" + json.dumps(order_document("J-9"))[:-1] + "\n")
    assert run(path)[0] == 1
    rejected = tmp_path / "a.rejected.jsonl"
    first, second = [json.loads(line) for line in rejected.read_text().splitlines()]
    first["document"]["channel"] = "douyin"
    second["text"] += "}"
    rejected.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")

    assert run(rejected)[1]["stored"] == "2"
    assert numbers() == ["J-8", "J-9"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"number,channel\nA-1,douyin\n", "Columns are missing: placed_at"),
        ("a.csv", b'number,"channel\n', "names of the columns"),
        ("a.csv", b"PK\x03\x04...", "Excel workbook"),
        ("a.csv", "number,channel".encode("utf-16"), "UTF-16"),
        ("a.json", b'[{"number": "A-1"}]', "JSON array"),
        ("a.csv.gz", b"\x1f\x8bnot really", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_told_with_status_2(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)

    status, summary, error = run(path)

    assert (status, summary) == (2, {})
    assert said in error
    assert numbers() == []


def test_a_file_that_is_not_there_and_one_that_would_be_overwritten_are_told(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1", sku="NOPE")])
    assert run(tmp_path / "none.csv")[0] == 2
    assert run(tmp_path)[0] == 2
    assert run(path, rejected=path)[0] == 2
    assert run(path, batch=0)[0] == 2
    assert read_csv(path)[0]["sku"] == "NOPE"


def test_a_gzip_that_breaks_off_keeps_what_came_before(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row(f"A-{index:04d}") for index in range(3000)])
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-2000])

    status, _summary, error = run(packed, batch=100)

    assert status == 2
    assert "What came before it is stored" in error
    assert 0 < Order.objects.count() < 3000


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_a_killed_import_continues_where_it_stopped(tmp_path, monkeypatch, after_commit, suffix):
    rows = [row(f"A-{index:02d}", sku="NOPE" if index % 4 == 3 else "TEA-1") for index in range(20)]
    path = write_csv(tmp_path / "a.csv", rows)
    if suffix == "csv.gz":
        packed = tmp_path / "a.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    genuine, calls = runner.place_orders, []

    def dying(documents: Any, **given: Any) -> Any:
        calls.append([document["number"] for document in documents])
        if len(calls) == 3 and not after_commit:
            raise Killed
        answers = genuine(documents, **given)
        if len(calls) == 3:
            raise Killed
        return answers

    monkeypatch.setattr(runner, "place_orders", dying)
    with pytest.raises(Killed):
        run(path, batch=4)
    stored = Order.objects.count()
    assert stored == (9 if after_commit else 6)

    status, said, _error = run(path, batch=4)

    assert status == 1
    again = "A-11" if after_commit else "A-08"
    assert calls[3][0] == again, "it goes on after the last batch it was sure of"
    assert Order.objects.count() == 15
    assert int(said["stored"]) + int(said["replayed"]) == 15
    assert said["replayed"] == ("3" if after_commit else "0")
    rejected = [cells["number"] for cells in read_csv(tmp_path / "a.rejected.csv")]
    assert rejected == ["A-03", "A-07", "A-11", "A-15", "A-19"]


def test_a_changed_file_starts_anew(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [row(f"A-{index}") for index in range(6)])
    genuine, calls = runner.place_orders, []

    def dying(documents: Any, **given: Any) -> Any:
        calls.append([document["number"] for document in documents])
        if len(calls) == 2:
            raise Killed
        return genuine(documents, **given)

    monkeypatch.setattr(runner, "place_orders", dying)
    with pytest.raises(Killed):
        run(path, batch=2)
    path.write_bytes(path.read_bytes().replace(b"TEA-1", b"LENS-85"))
    run(path, batch=2)

    assert calls[2] == ["A-0", "A-1"]


def test_ctrl_c_ends_after_the_running_batch_and_the_next_run_goes_on(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [row(f"A-{index}") for index in range(6)])
    genuine = runner.place_orders

    def interrupted(documents: Any, **given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return genuine(documents, **given)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(runner, "place_orders", interrupted)
    status, said, error = run(path, batch=2)
    assert (status, said["stored"]) == (130, "2")
    assert "Run the same command again" in error
    assert signal.getsignal(signal.SIGINT) is before

    monkeypatch.setattr(runner, "place_orders", genuine)
    status, said, _error = run(path, batch=2)
    assert (status, said["stored"], said["replayed"]) == (0, "6", "0")


def test_restart_forgets_the_interrupted_run(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [row(f"A-{index}") for index in range(4)])
    genuine = runner.place_orders

    def interrupted(documents: Any, **given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return genuine(documents, **given)

    monkeypatch.setattr(runner, "place_orders", interrupted)
    assert run(path, batch=2)[0] == 130
    monkeypatch.setattr(runner, "place_orders", genuine)

    status, said, _error = run(path, restart=True)

    assert (status, said["stored"], said["replayed"]) == (0, "2", "2")


def test_rejects_never_replace_an_earlier_file_of_corrections(tmp_path):
    path = write_csv(tmp_path / "a.csv", [row("A-1", sku="NOPE")])
    run(path)
    run(path)
    assert sorted(file.name for file in tmp_path.glob("a.rejected*")) == [
        "a.rejected-2.csv",
        "a.rejected.csv",
    ]
    chosen = tmp_path / "chosen.csv"
    run(path, rejected=chosen)
    assert read_csv(chosen)[0]["number"] == "A-1"
