"""`manage.py rules`: files in and out at the terminal."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from rules.models import RuleSet
from rules.starting import starter_document
from tests.rules.documents import LIVE_RULE, document, row

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rules", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document(LIVE_RULE)), encoding="utf-8")
    return path


def test_a_file_becomes_the_draft(file):
    assert run("import", str(file)) == "v1 draft 1\n"
    assert RuleSet.objects.get().created_by == "system"


def test_a_file_is_published_at_once_when_asked(file):
    assert run("import", str(file), "--publish", "--note", "after the meeting") == "v1 live 1\n"
    assert RuleSet.objects.get().note == "after the meeting"


def test_a_bad_file_imports_nothing_and_lists_every_error(tmp_path):
    path = tmp_path / "bad.json"
    bad = LIVE_RULE | {"key": "Bad Key", "when": [[row("nope", "eq", 1)], []]}
    path.write_text(json.dumps(document(LIVE_RULE, bad)), encoding="utf-8")
    err = io.StringIO()

    with pytest.raises(CommandError) as caught:
        call_command("rules", "import", str(path), "--publish", stderr=err)

    assert caught.value.returncode == 1
    assert [line.partition(":")[0] for line in err.getvalue().splitlines()] == [
        "rules[1].key",
        "rules[1].when[0][0].fact",
        "rules[1].when[1]",
    ]
    assert not RuleSet.objects.exists()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[]"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)

    with pytest.raises(CommandError):
        call_command("rules", "import", str(path), stderr=io.StringIO())

    assert not RuleSet.objects.exists()


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(CommandError, match=r"gone\.json"):
        run("import", str(tmp_path / "gone.json"))


def test_what_is_exported_can_be_imported(tmp_path):
    run("starter")
    path = tmp_path / "export.json"
    run("export", str(path))

    exported = json.loads(path.read_text(encoding="utf-8"))
    assert exported == starter_document()
    assert json.loads(run("export")) == exported
    run("import", str(path))
    assert json.loads(run("export", "--version", "2")) == exported


def test_there_is_nothing_to_export_before_anything_is_live(file):
    run("import", str(file))

    with pytest.raises(CommandError):
        run("export")


def test_versions_are_listed(file):
    run("import", str(file), "--publish")
    run("import", str(file))

    lines = [line.split("\t") for line in run("list").splitlines()]
    assert [line[:3] for line in lines] == [["v2", "draft", "1"], ["v1", "live", "1"]]


def test_the_starter_is_loaded_once():
    assert run("starter").startswith("v1 live 29")
    run("starter")
    assert RuleSet.objects.count() == 1
