"""Dry runs and checks over HTTP."""

import json
from typing import Any

import pytest
from django.test import Client

from changefeed.keys import create_key
from rules import lifecycle
from rules.models import RuleSet
from tests.rules.documents import LIVE_RULE, document, row, rule

pytestmark = pytest.mark.django_db

FACTS = {"ship_to.province": "新疆维吾尔自治区", "coupon.types": ["满299减100"]}


class Caller:
    """An API key of its own, and a client that sends it."""

    def __init__(self, *scopes: str, language: str = "en") -> None:
        _key, plain = create_key(f"test-{scopes}", source="test", scopes=list(scopes))
        self.client = Client(
            headers={"Authorization": f"Api-Key {plain}", "Accept-Language": language}
        )

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"/api/v1/rules/{path}/", body, content_type="application/json")


@pytest.fixture
def caller() -> Caller:
    return Caller("rules:read")


@pytest.fixture
def published() -> RuleSet:
    return lifecycle.publish(lifecycle.import_document(document(LIVE_RULE), "system"), "system")


def errors(response: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def test_a_dry_run_answers_with_the_decision_and_why(caller, published):
    response = caller.post("evaluate", {"facts": FACTS})

    assert response.status_code == 200
    body = response.json()
    assert (body["version"], body["list_versions"]) == (1, {})
    decision = body["decision"]
    assert decision["intercept"]["rule"] == "xinjiang-coupon"
    assert decision["intercept"]["matched"][1] == {
        "fact": "coupon.types",
        "op": "has_any",
        "wanted": ["满299减100"],
        "seen": ["满299减100"],
    }
    assert decision["intercept"]["sentence"].startswith("Province is “新疆维吾尔自治区”")
    assert decision["intercept"] == decision["matches"][0]
    assert (decision["slots"], decision["tags"], decision["dispatch"]) == ({}, [], False)


def test_a_document_can_be_tried_before_it_is_imported(caller, published):
    blocklist = lifecycle.create_list("blocklist", "黑名单", "system")
    lifecycle.add_list_entries(blocklist, ["+8613800000000"], "system")
    tried = document(
        rule(
            "lane",
            layer="allocate",
            when=[[row("ship_to.phone", "in_list", "blocklist")]],
            then=[{"do": "assign", "slot": "lane", "value": "presale"}],
        )
    )

    response = caller.post(
        "evaluate", {"facts": {**FACTS, "ship_to.phone": "+86 138 0000 0000"}, "rules": tried}
    )

    body = response.json()
    assert (body["version"], body["list_versions"]) == (None, {"blocklist": 1})
    assert body["decision"]["slots"] == {"lane": {"value": "presale", "rule": "lane"}}
    assert body["decision"]["intercept"] is None
    assert RuleSet.objects.count() == 1


def test_the_time_can_be_chosen(caller):
    windowed = document(LIVE_RULE | {"valid_from": "2026-06-18T00:00:00+08:00"})

    def held(at: str) -> bool:
        body = caller.post("evaluate", {"facts": FACTS, "rules": windowed, "at": at}).json()
        return body["decision"]["intercept"] is not None

    assert (held("2026-06-17T23:59:59+08:00"), held("2026-06-17T16:00:00Z")) == (False, True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("facts", "required")]),
        ({"facts": []}, [("facts", "not_a_dict")]),
        ({"facts": {"ship_to.planet": "Mars"}}, [("facts.ship_to.planet", "unknown_fact")]),
        (
            {"facts": {"order.grand_total": "１２", "coupon.types": "a"}},
            [("facts.order.grand_total", "wrong_type"), ("facts.coupon.types", "wrong_type")],
        ),
        ({"facts": {}, "at": "2026-06-18T00:00:00"}, [("at", "naive_time")]),
        ({"facts": {}, "rules": {}}, [("rules", "missing_field")]),
        (
            {"facts": {}, "rules": {"rules": [LIVE_RULE, {"key": "x"}, LIVE_RULE]}},
            [
                ("rules[1].name", "missing_field"),
                ("rules[1].layer", "missing_field"),
                ("rules[1].when", "missing_field"),
                ("rules[1].then", "missing_field"),
                ("rules[2].key", "duplicate_key"),
            ],
        ),
    ],
)
def test_what_cannot_be_read_is_refused_field_by_field(caller, body, expected):
    response = caller.post("evaluate", body)

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert errors(response) == expected


def test_a_good_document_passes_the_check(caller):
    response = caller.post("check", document(LIVE_RULE))

    assert response.status_code == 200
    assert response.json() == {
        "valid": True,
        "rules": 1,
        "errors": [],
        "findings": [],
        "complete": True,
        "undecided": [],
    }


def test_the_check_lists_every_error_with_its_path(caller):
    bad = LIVE_RULE | {"when": [[row("nope", "eq", 1), row("coupon.count", "between", [4, 2])], []]}

    body = caller.post("check", document(LIVE_RULE, bad)).json()

    assert body["valid"] is False
    assert [(error["path"], error["code"]) for error in body["errors"]] == [
        ("rules[1].when[0][0].fact", "unknown_fact"),
        ("rules[1].when[0][1].value", "between_reversed"),
        ("rules[1].when[1]", "empty_group"),
        ("rules[1].key", "duplicate_key"),
    ]
    assert all(error["message"] for error in body["errors"])


def test_a_list_that_does_not_exist_is_an_error(caller):
    named = LIVE_RULE | {"when": [[row("ship_to.phone", "in_list", "nobody")]]}

    body = caller.post("check", document(named)).json()

    assert [error["code"] for error in body["errors"]] == ["unknown_list"]


@pytest.mark.parametrize("body", [[], "text", 5, None, {"rules": None}, {"rules": {}}])
def test_any_json_gets_an_answer(caller, body):
    for path, expected in (("check", {200}), ("evaluate", {422})):
        response = caller.client.post(
            f"/api/v1/rules/{path}/", json.dumps(body), content_type="application/json"
        )
        assert response.status_code in expected


@pytest.mark.parametrize("path", ["evaluate", "check"])
def test_only_a_key_with_the_scope_may_ask(path):
    body = {"facts": FACTS, "rules": []}

    assert Client().post(f"/api/v1/rules/{path}/", body, "application/json").status_code == 401
    assert Caller("orders:write", "feed:read").post(path, body).status_code == 403
    assert Caller("rules:read").client.get(f"/api/v1/rules/{path}/").status_code == 405


def test_nothing_is_stored(caller, published):
    before = (RuleSet.objects.count(), published.rules.count())

    caller.post("evaluate", {"facts": FACTS})
    caller.post("check", document(LIVE_RULE))

    assert (RuleSet.objects.count(), published.rules.count()) == before
