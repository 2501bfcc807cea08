"""Dry runs that tell of every rule what became of it."""

import pytest

from rules import lifecycle
from tests.rules.documents import LIVE_RULE, document, row, rule
from tests.rules.test_api import FACTS, Caller

pytestmark = pytest.mark.django_db

VIP = rule(
    "vip",
    name="VIP",
    layer="tag",
    when=[[row("order.grand_total", "gte", 500)]],
    then=[{"do": "tag", "tag": "VIP"}],
)


@pytest.fixture
def published() -> None:
    drafted = lifecycle.import_document(document(LIVE_RULE, VIP), "system")
    lifecycle.publish(drafted, "system")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("given", [{}, {"rules": document(LIVE_RULE, VIP)}])
def test_a_dry_run_tells_of_every_rule_when_asked(given):
    caller = Caller("rules:read")
    facts = {**FACTS, "order.grand_total": "299.00"}

    without = caller.post("evaluate", {"facts": facts, **given}).json()
    answer = caller.post("evaluate", {"facts": facts, "trace": True, **given})

    assert answer.status_code == 200
    assert "trace" not in without
    held, failed = answer.json()["trace"]
    assert (held["rule"], held["outcome"], held["why"]) == ("xinjiang-coupon", "matched", "")
    assert held["match"]["actions"] == [{"do": "hold", "reason": "because", "risk": "high"}]
    assert failed == {
        "rule": "vip",
        "name": "VIP",
        "layer": "tag",
        "priority": 100,
        "status": "live",
        "outcome": "not_matched",
        "why": "row_failed",
        "group": 0,
        "failed": {"fact": "order.grand_total", "op": "gte", "wanted": "500", "seen": "299"},
        "match": None,
        "by": "",
        "slots": {},
        "sentence": "Not matched: “amount paid is at least 500 yuan” is not met;"
        " the value here is 299 yuan.",
    }


@pytest.mark.usefixtures("published")
def test_sentences_are_in_the_language_asked_for():
    caller = Caller("rules:read", language="zh-hans")

    answer = caller.post("evaluate", {"facts": FACTS, "trace": True})

    assert answer.json()["trace"][0]["sentence"] != ""
    assert answer.json()["trace"][0]["name"] == "新疆 + 满299减100"


@pytest.mark.parametrize("value", ["maybe", 3, [], {}])
def test_a_trace_is_asked_for_by_true_or_false(value):
    answer = Caller("rules:read").post("evaluate", {"facts": {}, "trace": value})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["trace"]
