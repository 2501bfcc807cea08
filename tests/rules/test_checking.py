"""The conflict report through its doors: HTTP, the terminal, and the stored lists behind both."""

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from rules import lifecycle
from rules.checking import check_document
from rules.lifecycle import NewEntry, add_list_entries, create_list
from rules.models import RuleSet
from rules.problems import DocumentInvalid
from rules.starting import load_starter, starter_document
from tests.rules.documents import document, row, rule
from tests.rules.test_api import Caller

pytestmark = pytest.mark.django_db

DEAR = [[row("order.grand_total", "gte", 1000)]]
BROAD = rule("broad", name="满千", priority=1, when=[[row("order.grand_total", "gte", 500)]])
NARROW = rule("narrow", name="满两千", priority=2, when=DEAR)
LANES = [rule(key, layer="allocate", name=f"lane {key}", when=DEAR) for key in ("a", "b")]
NEVER = rule("never", layer="tag", when=[[row("order.unit_count", "lt", 0)]])


@pytest.fixture
def caller() -> Caller:
    return Caller("rules:read")


def found(response: Any, kind: str) -> dict[str, Any]:
    assert response.status_code == 200
    chosen = [it for it in response.json()["findings"] if it["kind"] == kind]
    assert len(chosen) == 1
    return dict(chosen[0])


def test_a_finding_comes_with_places_a_sentence_and_an_order(caller):
    finding = found(caller.post("check", document(BROAD, NARROW)), "shadowed")

    at = finding.pop("at")
    assert finding == {
        "kind": "shadowed",
        "level": "warning",
        "rules": ["narrow", "broad"],
        "group": None,
        "rows": [],
        "slot": "",
        "detail": {"taken_by": "broad", "slots": {}},
        "sentence": "Rule “满两千” never acts: every order it matches is held first by “满千”. "
        "Move it up, narrow the others, or remove it.",
        "witness": {"order.grand_total": "1000"},
    }
    assert abs(datetime.fromisoformat(at) - timezone.now()) < timedelta(minutes=5)


def test_the_witness_goes_into_the_dry_run_as_it_is(caller):
    finding = found(caller.post("check", document(*LANES)), "equal_priority")

    dry = caller.post(
        "evaluate",
        {"facts": finding["witness"], "at": finding["at"], "rules": document(*LANES)},
    )

    assert dry.json()["decision"]["slots"] == {"lane": {"value": "a", "rule": "a"}}
    assert finding["detail"]["values"] == {"a": "a", "b": "b"}


def test_what_is_wrong_with_a_row_says_which(caller):
    finding = found(caller.post("check", document(BROAD, NEVER)), "contradictory_group")

    assert (finding["level"], finding["group"], finding["witness"]) == ("error", 0, None)
    assert finding["rows"] == [{"rule": "never", "group": 0, "row": 0}]


def test_an_invalid_document_has_errors_and_no_findings(caller):
    body = caller.post("check", document(NARROW | {"when": []}, BROAD)).json()

    assert body["valid"] is False
    assert [error["path"] for error in body["errors"]] == ["rules[0].when"]
    assert (body["findings"], body["complete"], body["undecided"]) == ([], True, [])


def test_the_focus_may_stand_in_the_body_or_in_the_address(caller):
    rules = document(BROAD, NARROW, *LANES)

    in_body = caller.post("check", rules | {"focus": "narrow"}).json()
    in_address = caller.post("check", rules | {"focus": ""}).json()
    assert {key for it in in_body["findings"] for key in it["rules"]} == {"narrow", "broad"}
    assert len(in_address["findings"]) > len(in_body["findings"])
    asked = caller.client.post(
        "/api/v1/rules/check/?focus=narrow", json.dumps(rules), content_type="application/json"
    )
    without_time = [{**it, "at": None} for it in asked.json()["findings"]]
    assert without_time == [{**it, "at": None} for it in in_body["findings"]]


@pytest.mark.parametrize("focus", ["nobody", 5, ["narrow"], "x" * 65])
def test_a_focus_on_no_rule_is_refused(caller, focus):
    response = caller.post("check", document(NARROW) | {"focus": focus})

    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} == {"focus"}


def test_lists_count_with_the_entries_they_have_now():
    waits = rule("a", when=[[row("ship_to.phone", "in_list", "vip")]])
    created = create_list("vip", "贵宾", "tests")
    assert [it.kind for it in check_document(document(waits)).findings] == ["empty_list"]

    past = timezone.now() - timedelta(minutes=1)
    add_list_entries(created, [NewEntry("13800000000", "why", past)], "tests")
    assert [it.kind for it in check_document(document(waits)).findings] == ["expired_list"]

    add_list_entries(created, [NewEntry("13900000000", "why")], "tests")
    assert check_document(document(waits)).findings == ()


def test_a_document_that_cannot_be_taken_is_not_analysed():
    with pytest.raises(DocumentInvalid):
        check_document(document(rule("a", when=[[row("ship_to.phone", "in_list", "gone")]])))


def test_the_shipped_rules_have_no_conflict():
    load_starter("tests")

    report = check_document(starter_document())

    assert report.complete
    # The shop fills its own lists and sells its own goods; until then some rules wait for them.
    waiting = {"empty_list", "unknown_value"}
    assert [
        it.as_json() for it in report.findings if it.level != "info" and it.kind not in waiting
    ] == []


def run(*arguments: str) -> tuple[str, CommandError | None]:
    out = io.StringIO()
    try:
        call_command("rules", "check", *arguments, "--lang", "en", stdout=out)
    except CommandError as error:
        return out.getvalue(), error
    return out.getvalue(), None


@pytest.fixture
def file(tmp_path):
    def write(*rules: dict[str, Any]) -> str:
        path = tmp_path / "rules.json"
        path.write_text(json.dumps(document(*rules)), encoding="utf-8")
        return str(path)

    return write


def test_the_terminal_shows_sentences_and_their_proof(file):
    said, error = run(file(BROAD, NARROW))

    lines = said.splitlines()
    assert error is None
    assert lines[0] == (
        "[warning] Rule “满两千” never acts: every order it matches is held first by “满千”. "
        "Move it up, narrow the others, or remove it. (shadowed, narrow, broad)"
    )
    assert lines[1].startswith('    Proof: {"facts": {"order.grand_total": "1000"}, "at": "20')
    assert lines[2] == "Rules: 2. Findings: 1."


def test_the_terminal_fails_on_an_error_and_on_nothing_less(file):
    said, error = run(file(NEVER))

    assert error is not None
    assert (error.returncode, str(error)) == (1, "Errors: 2.")
    assert said.startswith("[error] In rule “rule never”, group 1, this can never hold: ")
    assert run(file(*LANES))[1] is None


def test_the_terminal_writes_json(file):
    said, error = run(file(BROAD, NARROW), "--json", "--focus", "narrow")

    report = json.loads(said)
    assert error is None
    assert (report["rules"], report["complete"], report["undecided"]) == (2, True, [])
    assert [(it["kind"], it["rules"]) for it in report["findings"]] == [
        ("shadowed", ["narrow", "broad"])
    ]
    assert report["findings"][0]["sentence"].startswith("Rule “满两千”")


def test_the_terminal_reads_stored_versions():
    lifecycle.publish(lifecycle.import_document(document(BROAD), "tests"), "tests")
    lifecycle.import_document(document(BROAD, NARROW), "tests")

    assert run()[0] == "Rules: 1. Findings: 0.\n"
    assert run("--version", "1")[0] == "Rules: 1. Findings: 0.\n"
    assert run("--draft")[0].endswith("Rules: 2. Findings: 1.\n")
    assert run("--version", "2")[0].endswith("Rules: 2. Findings: 1.\n")
    assert RuleSet.objects.count() == 2


@pytest.mark.parametrize("arguments", [[], ["--version", "9"], ["--draft"]])
def test_a_version_that_is_not_there_is_said_so(arguments):
    said, error = run(*arguments)

    assert (said, str(error)) == ("", "There is no such version.")


def test_a_focus_or_a_file_that_is_wrong_is_said_so(file, tmp_path):
    assert str(run(file(BROAD), "--focus", "nobody")[1]) == "There is no rule “nobody” among them."
    assert str(run(file(BROAD | {"when": []}))[1]) == "Errors: 1."
    assert "gone.json" in str(run(str(tmp_path / "gone.json"))[1])
