"""Why each rule acted or not: on the order page, on the decision's page and over the API."""

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from orders.decision_trace import trace_of_decision
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import release_hold
from orders.models import Customer, Order, ScreeningDecision
from rules import lifecycle, live
from rules.models import RuleSet, RuleSnooze
from rules.starting import starter_document
from tests.orders.calling import Caller, refused
from tests.orders.desk import SHOP, clean_order, held_order, known_rules, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{1103*7919}}",
    "{x.__class__}",
    "%(seen)s",
    "javascript:alert(1)",
)


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def english(client: Client) -> Client:
    client.cookies["django_language"] = "en"
    return client


def outcomes(decision: ScreeningDecision) -> dict[str, tuple[str, str]]:
    past = trace_of_decision(decision)
    assert past is not None
    return {one.key: (one.outcome, one.why) for one in past.rules}


def decisions_of(order: Order) -> list[ScreeningDecision]:
    found = ScreeningDecision.objects.select_related("order").filter(order=order)
    return list(found.order_by("at", "id"))


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=(order.pk,))


def test_every_stored_decision_is_traced_as_it_was_decided() -> None:
    orders = [held_order("T-1").order, clean_order("T-2"), clean_order("T-3", urgent=True)]
    orders.append(clean_order("T-4", lines=[("MILK-900", 6, "99.00")]))
    orders.append(clean_order("T-5", ship_to={"street": "123"}))
    dispatch_ready()

    for decision in ScreeningDecision.objects.select_related("order"):
        matched = [
            key for key, (outcome, _why) in outcomes(decision).items() if outcome == "matched"
        ]
        assert matched == [match["rule"] for match in decision.outcome["matches"]]
    assert ScreeningDecision.objects.count() >= len(orders)


def test_what_was_released_is_told_as_waived_and_what_was_done_as_done() -> None:
    hold = held_order("T-1")
    release_hold(hold.pk, actor=SHOP, reason="已核实")
    dispatch_ready()
    order = Order.objects.get(number="T-1")
    intake, *later = decisions_of(order)

    assert outcomes(intake)["xinjiang-coupon"] == ("matched", "")
    assert outcomes(intake)["push-to-logistics"] == ("not_applied", "stopped")
    assert later
    assert outcomes(later[0])["xinjiang-coupon"] == ("not_applied", "waived")
    assert outcomes(later[0])["push-to-logistics"] == ("matched", "")


def test_a_snoozed_rule_is_told_so() -> None:
    hold = held_order("T-1")
    customer = Customer.objects.get(pk=hold.order.customer_id).external_id
    decision = decisions_of(hold.order)[0]
    snooze = RuleSnooze.objects.create(
        rule_key="xinjiang-coupon", customer=customer, reason="known", until="2099-01-01T00:00Z"
    )
    assert outcomes(decision)["xinjiang-coupon"] == ("matched", "")

    RuleSnooze.objects.filter(pk=snooze.pk).update(created_at="2020-01-01T00:00Z")

    assert outcomes(decision)["xinjiang-coupon"] == ("not_applied", "snoozed")


def test_a_decision_that_no_rules_made_has_no_trace() -> None:
    order = clean_order("T-1")
    decision = decisions_of(order)[0]
    decision.ruleset_version = 0

    assert trace_of_decision(decision) is None


# --- the order page ----------------------------------------------------------------------------


def test_the_order_page_says_why_layer_by_layer() -> None:
    _user, client = person("supervisor")
    order = held_order("T-1").order

    text = html.unescape(english(client).get(page_of(order)).content.decode())

    assert "Matched. Province is “新疆维吾尔自治区” and coupon types: “满299减100”." in text
    assert "rule “新疆 + 满299减100” in layer 1 held the order and stopped all others" in text
    assert "Not matched: “amount paid is at least 500 yuan” is not met" in text
    version = RuleSet.objects.get(state="live")
    for rule in version.rules.all():
        assert f'href="{reverse("admin:rules_rule_change", args=(rule.pk,))}"' in text
    layers = re.findall(r'<span class="trace-number">(\d)</span>\s*(\w+)', text)
    assert layers == [("1", "Intercept"), ("2", "Allocate"), ("3", "Tag"), ("4", "Dispatch")]


def test_the_page_asks_a_fixed_number_of_queries_for_many_rules(
    django_assert_max_num_queries: Any,
) -> None:
    _user, client = person("supervisor")
    few = clean_order("T-1")
    with_few = _queries(client, page_of(few))
    document = starter_document()
    extra = [rule | {"key": f"{rule['key']}-{n}"} for rule in document["rules"] for n in range(10)]
    lifecycle.publish(lifecycle.import_document({"rules": extra}, "user:a"), "user:b", "n")
    live.forget()
    many = clean_order("T-2")

    assert len(_queries(client, page_of(many))) <= len(with_few)


def _queries(client: Client, url: str) -> list[str]:
    client.get(url)
    with known_rules(), CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in seen]


def test_the_trace_masks_what_is_personal() -> None:
    _user, client = person("supervisor")
    reference_list = lifecycle.create_list("blocklist", "blocklist", "user:a")
    lifecycle.add_list_entries(reference_list, ["+8613812345678"], "user:a")
    live.forget()
    order = held_order("T-1", ship_to={"phone": "+8613812345678", "name": "欧阳娜娜"}).order

    text = client.get(page_of(order)).content.decode()

    assert "+86****5678" in text
    assert "13812345678" not in text
    assert "欧阳娜娜" not in text


def test_a_list_that_changed_since_is_named_on_the_page() -> None:
    _user, client = person("supervisor")
    order = clean_order("T-1")
    before = english(client).get(page_of(order)).content.decode()
    assert "These lists changed since" not in before

    reference_list = lifecycle.create_list("blocklist", "黑名单", "user:a")
    lifecycle.add_list_entries(reference_list, ["C-1"], "user:a")
    live.forget()

    text = client.get(page_of(order)).content.decode()
    assert "These lists changed since: 黑名单." in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_in_every_fact_stays_text(payload: str) -> None:
    _user, client = person("supervisor")
    rules = [
        _rule(key.replace(".", "-").replace("_", "-"), key, payload)
        for key in ("order.buyer_remark", "order.seller_remark", "order.invoice_title")
    ]
    rules += [
        _rule("matched", "order.livestream_room", payload, op="eq"),
        _rule("named", "order.delivery_slot", "nothing", name=payload, reason=payload),
    ]
    lifecycle.publish(lifecycle.import_document({"rules": rules}, "user:a"), "user:b", "n")
    live.forget()
    order = clean_order(
        "T-1",
        buyer_remark=f"a{payload}",
        seller_remark=f"b{payload}",
        invoice_title=f"c{payload}",
        livestream_room=payload,
        delivery_slot=f"d{payload}",
        customer={"name": payload},
        ship_to={"name": payload, "street": f"文一西路 {payload}"},
    )

    for url in (page_of(order), _page_of_decision(order)):
        text = client.get(url).content.decode()
        assert payload not in text or payload == html.escape(payload)
        assert html.escape(payload) in text
        assert "8734657" not in payload


def _rule(key: str, fact: str, value: str, **fields: Any) -> dict[str, Any]:
    reason = fields.pop("reason", "because")
    row = {"fact": fact, "op": fields.pop("op", "contains_text"), "value": value}
    if key == "matched":
        fields |= {"layer": "tag", "then": [{"do": "tag", "tag": value}]}
    return {
        "key": key,
        "name": f"rule {key}",
        "layer": "intercept",
        "when": [[{**row, "value": f"no {value}"} if key not in ("matched", "named") else row]],
        "then": [{"do": "hold", "reason": reason, "risk": "low"}],
        **fields,
    }


def _page_of_decision(order: Order) -> str:
    decision = decisions_of(order)[-1]
    return reverse("admin:orders_screeningdecision_change", args=(decision.pk,))


# --- the page of a decision ----------------------------------------------------------------------


def test_the_page_of_any_stored_decision_says_why() -> None:
    _user, client = person("agent")
    hold = held_order("T-1")
    release_hold(hold.pk, actor=SHOP, reason="已核实")
    english(client)

    first, second = (
        html.unescape(
            client.get(
                reverse("admin:orders_screeningdecision_change", args=(decision.pk,))
            ).content.decode()
        )
        for decision in decisions_of(hold.order)[:2]
    )

    assert "stopped all others" in first
    assert "a person has released the order from it" in second
    assert "order_trace.js" in first


def test_people_without_rules_read_no_decision() -> None:
    _user, client = person("warehouse")
    order = clean_order("T-1")

    assert client.get(_page_of_decision(order)).status_code == 403
    text = client.get(page_of(order)).content.decode()
    assert "/rules/rule/" not in text


# --- over the API ----------------------------------------------------------------------------


def test_decisions_carry_a_trace_when_asked() -> None:
    shop = Caller()
    held_order("T-1")

    [light] = shop.get("orders/T-1/decisions/").json()["decisions"]
    [decision] = shop.get("orders/T-1/decisions/", {"trace": "1"}).json()["decisions"]

    assert "trace" not in light
    assert decision["trace"]["changed_lists"] == []
    rules = {one["rule"]: one for one in decision["trace"]["rules"]}
    assert rules["xinjiang-coupon"]["outcome"] == "matched"
    assert rules["xinjiang-coupon"]["match"]["matched"][0]["seen"] == "新疆维吾尔自治区"
    vip = rules["vip"]
    assert (vip["outcome"], vip["why"], vip["group"]) == ("not_matched", "row_failed", 0)
    assert vip["failed"] == {
        "fact": "order.grand_total",
        "op": "gte",
        "wanted": "500",
        "seen": "296",
    }
    assert vip["sentence"].startswith("Not matched: “amount paid is at least 500 yuan”")
    push = rules["push-to-logistics"]
    assert (push["outcome"], push["why"], push["by"]) == (
        "not_applied",
        "stopped",
        "xinjiang-coupon",
    )


@pytest.mark.parametrize("value", ["yes", "2", "", "true"])
def test_a_trace_is_asked_for_by_one_or_not(value: str) -> None:
    clean_order("T-1")

    refused(Caller().get("orders/T-1/decisions/", {"trace": value}), 422)
