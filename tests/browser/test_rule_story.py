"""After 47 complaints: operations build, check, try, publish and roll back the 新疆 rule."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from orders.lifecycle.placing import place_order
from orders.models import Hold
from rules import draft, lifecycle, live, recent
from rules.models import RuleSet
from rules.starting import starter_document
from rules.tasks import run_backtest
from tests.browser.test_board import Desk
from tests.factories import order_document
from tests.orders.desk import COUPON, SHOP, XINJIANG, person
from tests.rules.documents import row, rule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FAR = "新疆维吾尔自治区"
KEY = "xinjiang-coupon"


@pytest.fixture
def olivia(
    world: None, chromium: Any, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Somebody of operations, five orders later, with a colleague's rule already in the draft."""
    monkeypatch.setattr(run_backtest, "delay", run_backtest)
    for keeper in (live, draft, recent):
        keeper.forget()
    document = starter_document()
    document["rules"] = [one for one in document["rules"] if one["key"] != KEY]
    lifecycle.publish(lifecycle.import_document(document, "system"), "system")
    for number in range(5):
        place(f"BEFORE-{number}", far=number < 2)
    colleagues = rule(
        "far-away",
        name="偏远地区先停",
        priority=50,
        when=[[row("ship_to.province", "in", [FAR, "西藏自治区"])]],
        then=[{"do": "hold", "reason": "偏远地区暂停", "risk": "low"}],
    )
    lifecycle.save_rule(lifecycle.open_draft("user:carl"), colleagues, "user:carl")
    _user, client = person("operations", username="olivia")
    desk = Desk(chromium, live_server.url, client)
    yield desk
    desk.context.close()
    assert desk.errors == []
    for keeper in (live, draft, recent):
        keeper.forget()


def place(number: str, *, far: bool = True) -> list[str]:
    """An order that the complaints were about, or an ordinary one; the rules that hold it."""
    changes: dict[str, Any] = {"lines": [("TEA-1", 4, "99.00")]}
    if far:
        changes |= {"ship_to": XINJIANG, "coupons": COUPON}
    placed = place_order(order_document(number, **changes), actor=SHOP)
    assert not placed.errors, placed.errors
    return [hold["rule"] for hold in placed.holds]


def test_a_rule_is_built_checked_tried_published_and_rolled_back(olivia: Desk):
    page = olivia.open("/admin/rules/rule/add/")
    before = RuleSet.objects.get(state="live")

    build(page)
    warned = page.locator("[data-findings] li", has_text="偏远地区先停").first
    warned.wait_for()
    assert "偏远地区先停" in warned.inner_text()
    warned.locator("summary").first.click()
    assert FAR in warned.inner_text()

    page.fill("[name=priority]", "5")
    page.locator("[data-findings-box]").wait_for(state="hidden")
    page.locator("[data-summary]:has-text('2 of the last 5')").wait_for()
    page.locator(".rf-acts [name=_save]").click()
    page.wait_for_url("**/admin/rules/rule/?ruleset__id__exact=*")

    planned = RuleSet.objects.get(state="draft")
    olivia.open(reverse("admin:rules_ruleset_publish", args=[planned.pk]))
    page.locator("a:has-text('Run a backtest')").click()
    page.locator("button:has-text('Start a backtest')").click()
    page.locator(".bt-lead").wait_for()
    assert "2" in page.locator(".bt-lead").inner_text()
    assert page.locator("a:has-text('BEFORE-0')").count() >= 1
    assert place("DURING-1") == []

    olivia.open(reverse("admin:rules_ruleset_publish", args=[planned.pk]))
    page.fill("[name=note]", "47 complaints")
    page.locator("button:has-text('Publish now')").click()
    page.wait_for_load_state()
    live.forget()
    assert RuleSet.objects.get(state="live").version == planned.version
    assert place("AFTER-1") == [KEY]
    held = Hold.objects.get(order__number="AFTER-1", owner="rule")
    olivia.open(reverse("admin:orders_order_change", args=[held.order_id]))
    assert page.locator("text=新疆 + 满299减100").first.is_visible()

    olivia.open(reverse("admin:rules_ruleset_change", args=[before.pk]))
    page.locator("#rollback button").click()
    page.wait_for_load_state()
    live.forget()
    again = RuleSet.objects.get(state="live")
    assert (again.based_on, KEY in {one["key"] for one in again.document["rules"]}) == (
        before.version,
        False,
    )
    assert place("LATER-1") == []


def build(page: Any) -> None:
    """Fill the form as the daily meeting decided; the colleague's rule is asked earlier."""
    page.fill("[name=name]", "新疆 + 满299减100")
    page.fill("[name=key]", KEY)
    choose(page, 0, "province", "in")
    pick(page, 0, "新疆")
    page.click("[data-add-row]")
    choose(page, 1, "coupon types", "has_any")
    pick(page, 1, "满299减100")
    page.fill("[name=actions-0-text]", "三个月内 47 起虚假发货投诉")
    page.fill("[name=priority]", "60")


def choose(page: Any, number: int, fact: str, op: str) -> None:
    field = page.locator("[data-row]").nth(number).locator(".rf-cell-fact input")
    field.fill(fact)
    field.press("Enter")
    page.locator("[data-row]").nth(number).locator("[name$=-op]").select_option(op)


def pick(page: Any, number: int, text: str) -> None:
    field = page.locator("[data-row]").nth(number).locator(".rf-cell-value [role=combobox]")
    field.fill(text)
    field.press("Enter")
    field.press("Escape")
