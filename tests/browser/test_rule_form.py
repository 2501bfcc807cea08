"""The rule form in a real browser: keys alone, fields that follow the fact, and no script."""

from collections.abc import Iterator
from typing import Any

import pytest

from orders.lifecycle.placing import place_order
from orders.models import Warehouse
from rules import draft, lifecycle, live, recent
from rules.models import RuleSet
from rules.storage import rule_as_json
from tests.browser.test_board import PAYLOAD, Desk
from tests.factories import order_document
from tests.orders.desk import COUPON, SHOP, XINJIANG, person
from tests.rules.documents import LIVE_RULE, document, row, rule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ADD = "/admin/rules/rule/add/"
FAR = "新疆维吾尔自治区"


class RuleDesk(Desk):
    """One person's rule form on the live server."""

    def rows(self) -> Any:
        return self.page.locator("[data-row]")

    def choose(self, number: int, fact: str, op: str) -> None:
        """Choose fact and operator of a row."""
        field = self.rows().nth(number).locator(".rf-cell-fact input")
        field.fill(fact)
        field.press("Enter")
        self.rows().nth(number).locator("[name$=-op]").select_option(op)

    def value(self, number: int) -> str:
        """What the plain field of a row holds."""
        return self.page.input_value(f"[name=rows-{number}-value]")

    def holds(self, number: int, value: str) -> None:
        """Wait until the plain field of a row holds this; known values take a moment to come."""
        from playwright.sync_api import expect

        field = self.page.locator(f"[name=rows-{number}-value]")
        expect(field).to_have_value(value, timeout=15_000)

    def wait_for(self, text: str) -> None:
        self.page.locator(f"[data-preview]:has-text('{text}')").wait_for()


@pytest.fixture
def form(world: None, chromium: Any, live_server: Any) -> Iterator[Any]:
    """Opens the form for somebody of operations, over six orders and one live rule."""
    for keeper in (live, draft, recent):
        keeper.forget()
    lifecycle.publish(lifecycle.import_document(document(LIVE_RULE), "system"), "system")
    for number in range(6):
        changes: dict[str, Any] = {"lines": [("TEA-1", 4, "99.00")], "buyer_remark": PAYLOAD}
        if number < 3:
            changes |= {"ship_to": XINJIANG, "coupons": COUPON if number < 2 else []}
        placed = place_order(order_document(f"SEEN-{number}", **changes), actor=SHOP)
        assert not placed.errors, placed.errors
    opened: list[RuleDesk] = []

    def make(path: str = ADD, name: str = "olivia", **options: Any) -> RuleDesk:
        _user, client = person("operations", username=name)
        opened.append(RuleDesk(chromium, live_server.url, client, **options))
        opened[-1].open(path)
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()
        assert one.errors == []
    for keeper in (live, draft, recent):
        keeper.forget()


def saved(key: str) -> dict[str, Any]:
    """A rule of the draft in document form."""
    found: dict[str, Any] = rule_as_json(RuleSet.objects.get(state="draft").rules.get(key=key))
    return found


def test_a_rule_of_two_groups_is_built_with_keys_alone(form):
    desk = form()
    page = desk.page
    keys = page.keyboard

    page.focus("[name=name]")
    keys.type("far and dear")
    keys.press("Tab")
    keys.press("Control+a")
    keys.type("far-and-dear")
    keys.press("Tab")
    keys.type("province")
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Tab")
    keys.type("新疆")
    keys.press("Enter")
    keys.type("西藏")
    keys.press("Enter")
    keys.type("青海")
    keys.press("Enter")
    keys.press("Backspace")
    keys.press("Escape")
    desk.holds(0, f"{FAR}, 西藏自治区")

    page.focus("[data-add-group]")
    keys.press("Enter")
    keys.type("amount paid")
    keys.press("Enter")
    keys.press("Tab")
    keys.type("is between")
    keys.press("Tab")
    keys.type("300")
    keys.press("Tab")
    keys.type("１,０００.50")
    keys.press("Tab")
    page.focus("[name=actions-0-text]")
    keys.type("too far")
    desk.wait_for("Matches 6 of the last 6 orders")
    keys.press("Enter")
    page.wait_for_url("**/admin/rules/rule/?ruleset__id__exact=*")

    assert saved("far-and-dear")["when"] == [
        [row("ship_to.province", "in", [FAR, "西藏自治区"])],
        [row("order.grand_total", "between", [300, 1000.5])],
    ]


def test_rows_and_groups_move_and_are_copied_without_a_page_load(form):
    desk = form()
    page = desk.page
    desk.choose(0, "number of units", "gt")
    desk.rows().nth(0).locator(".rf-number").fill("1")
    page.click("[data-add-row]")
    desk.choose(1, "number of lines", "gt")
    desk.rows().nth(1).locator(".rf-number").fill("2")
    page.click("[data-add-group]")
    desk.choose(2, "amount paid", "lt")
    desk.rows().nth(2).locator(".rf-number").fill("3")

    def standing() -> list[tuple[str, str]]:
        return [
            (page.input_value(f"[name=rows-{n}-group]"), desk.value(n))
            for n in range(desk.rows().count())
        ]

    desk.rows().nth(1).locator(".rf-number").press("Alt+ArrowUp")
    assert standing() == [("1", "2"), ("1", "1"), ("2", "3")]
    desk.rows().nth(1).locator("[data-move-row=down]").click()
    assert standing() == [("1", "2"), ("2", "1"), ("2", "3")]
    desk.rows().nth(2).locator("[data-copy-row]").click()
    assert standing() == [("1", "2"), ("2", "1"), ("2", "3"), ("2", "3")]
    page.locator("[data-move-group=up]").nth(1).click()
    assert standing() == [("1", "1"), ("1", "3"), ("1", "3"), ("2", "2")]
    page.locator("[data-copy-group]").nth(1).click()
    page.locator("[data-remove-group]").nth(0).click()
    assert standing() == [("1", "2"), ("2", "2")]
    desk.rows().nth(0).locator("[data-remove-row]").click()
    assert standing() == [("1", "2")]
    assert page.input_value("[name=rows-TOTAL_FORMS]") == "1"


def test_fields_follow_the_fact(form):
    blocklist = lifecycle.create_list("blocklist", "Blocked", "system", "blocklist")
    lifecycle.add_list_entries(blocklist, ["C-1"], "system")
    desk = form()
    page = desk.page
    first = desk.rows().nth(0)

    desk.choose(0, "time of day when paid", "between")
    first.locator(".rf-clock").nth(0).fill("2:20")
    first.locator(".rf-clock").nth(1).fill("04：00")
    first.locator(".rf-clock").nth(1).press("Tab")
    assert desk.value(0) == "2.333333\n4"
    assert first.locator(".rf-clock").nth(1).input_value() == "04:00"
    desk.choose(0, "city", "in")
    assert desk.value(0) == ""
    town = first.locator(".rf-widget input")
    page.wait_for_load_state("networkidle")
    town.press("ArrowDown")
    page.locator("[role=treeitem]:has-text('河北省')").click()
    page.locator("[role=treeitem]:has-text('唐山市')").click()
    town.fill("杭州")
    page.locator("[role=treeitem]:has-text('浙江省 / 杭州市')").wait_for()
    town.press("Enter")
    desk.holds(0, "唐山市, 杭州市")
    desk.choose(0, "SKUs", "in_list")
    first.locator(".rf-widget select").select_option("blocklist")
    assert first.locator(".rf-about a").inner_text() == "1 entry"
    assert desk.value(0) == "blocklist"
    desk.choose(0, "urgent", "is_false")
    assert [each.strip() for each in first.locator("[name$=-op] option").all_inner_texts()] == [
        *("yes", "no", "unknown")
    ]
    page.select_option("[name=layer]", "allocate")
    page.select_option("[name=actions-0-slot]", "warehouse")
    page.locator("[data-action] .rf-pick input").fill("SOUTH")
    page.locator("[data-action] .rf-pick input").press("Enter")
    assert page.input_value("[name=actions-0-text]") == Warehouse.objects.get(code="SOUTH-1").code


def test_a_list_opened_before_its_values_have_arrived_shows_them_then(form):
    desk = form()
    page = desk.page
    held: list[Any] = []
    page.route("**fact=ship_to.city*", lambda route: held.append(route))
    desk.choose(0, "city", "in")
    town = desk.rows().nth(0).locator(".rf-widget input")
    town.press("ArrowDown")
    assert page.locator("[role=treeitem]").count() == 0

    (route,) = held
    route.continue_()

    page.locator("[role=treeitem]:has-text('河北省')").click()
    page.locator("[role=treeitem]:has-text('唐山市')").wait_for()


def test_a_range_over_midnight_becomes_two_groups(form):
    desk = form()
    desk.choose(0, "time of day when paid", "between")
    first = desk.rows().nth(0)
    first.locator(".rf-clock").nth(0).fill("22:00")
    first.locator(".rf-clock").nth(1).fill("04:00")

    first.locator(".rf-range-hint button").click()

    page = desk.page
    assert [page.input_value(f"[name=rows-{n}-group]") for n in (0, 1)] == ["1", "2"]
    assert [page.input_value(f"[name=rows-{n}-op]") for n in (0, 1)] == ["gte", "lte"]
    assert [desk.value(n) for n in (0, 1)] == ["22", "4"]


def test_an_input_method_is_left_alone_while_it_composes(form):
    desk = form()
    desk.choose(0, "livestream room", "in")
    field = desk.rows().nth(0).locator(".rf-widget input")
    field.fill("zhibo")

    field.evaluate(
        "node => node.dispatchEvent(new KeyboardEvent('keydown',"
        "{key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    assert desk.value(0) == ""
    field.press("Enter")
    assert desk.value(0) == "zhibo"


def test_pasted_values_become_chips(form):
    desk = form()
    desk.choose(0, "coupon codes", "has_any")
    field = desk.rows().nth(0).locator(".rf-widget input")

    field.evaluate(
        """node => {
          const data = new DataTransfer();
          data.setData("text", "A1，B2\\nC,3");
          node.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true,
            cancelable: true}));
        }"""
    )

    assert desk.value(0) == "A1，B2\nC,3"
    assert desk.rows().nth(0).locator(".rf-chip").count() == 2


def test_ten_thousand_pasted_values_are_counted_and_refused(form):
    desk = form()
    desk.choose(0, "coupon codes", "has_any")
    field = desk.rows().nth(0).locator(".rf-widget input")

    field.evaluate(
        """node => {
          const data = new DataTransfer();
          data.setData("text", Array.from({length: 10000}, (_, n) => `C-${n}`).join("\\n"));
          node.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true,
            cancelable: true}));
        }"""
    )

    assert len(desk.value(0).split(", ")) == 10_000
    assert desk.rows().nth(0).locator(".rf-chip").count() == 61
    error = desk.rows().nth(0).locator("[data-live-error]")
    error.wait_for()
    assert error.inner_text() == "At most 1000 values."


def test_the_form_tells_what_the_rule_would_do(form):
    far = rule("far", priority=5, when=[[row("ship_to.province", "in", [FAR])]])
    lifecycle.save_rule(lifecycle.open_draft("system"), far, "system")
    desk = form()
    page = desk.page
    page.fill("[name=name]", PAYLOAD)
    desk.choose(0, "buyer's remark", "contains_text")
    page.fill("[name=rows-0-value]", PAYLOAD)
    page.click("[data-add-row]")
    desk.choose(1, "province", "in")
    page.keyboard.press("Tab")
    desk.rows().nth(1).locator(".rf-widget input").fill("新疆")
    desk.rows().nth(1).locator(".rf-widget input").press("Enter")
    page.fill("[name=actions-0-text]", PAYLOAD)

    desk.wait_for("Matches 3 of the last 6 orders")
    desk.wait_for("2 of them are held today already")
    desk.wait_for("1 order would be held newly")
    desk.wait_for("every order it matches is held first by")
    assert desk.rows().nth(0).locator("[data-hits]").inner_text() == "alone: 6 orders"
    assert page.locator("[data-examples] > li").count() == 3
    assert page.locator("[data-examples] a").first.inner_text() == "SEEN-2"
    page.locator("[data-findings] summary").first.click()
    assert "“rule far”" in page.locator("[data-findings] .rf-lines").first.inner_text()
    assert page.locator("[data-sentence]").inner_text().count(PAYLOAD) == 2
    assert page.evaluate("window.hit") is None


def test_the_place_among_the_others_follows_the_priority(form):
    before = rule("before", name="before", priority=20, when=LIVE_RULE["when"])
    lifecycle.save_rule(lifecycle.open_draft("system"), before, "system")
    desk = form()
    page = desk.page

    def says() -> str:
        return str(page.locator("[data-order-says]").inner_text())

    assert says() == "Asked last, after “before”."
    page.click("[data-priority=up]")
    assert page.input_value("[name=priority]") == "15"
    assert says() == f"Asked after “{LIVE_RULE['name']}”, before “before”."
    page.fill("[name=priority]", "1")
    assert says() == f"Asked first, before “{LIVE_RULE['name']}”."
    assert page.locator("[data-order-list] li").first.get_attribute("aria-current") == "true"
    assert page.locator("[data-priority=up]").is_disabled()
    own = page.locator("[data-order-list] [aria-current]")
    last = page.locator("[data-order-list] li:has-text('before')").last
    last.scroll_into_view_if_needed()
    own.drag_to(last)
    assert says() == "Asked last, after “before”."
    assert page.input_value("[name=priority]") == "30"


def test_leaving_with_unsaved_changes_asks_first(form):
    desk = form()
    page = desk.page
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    desk.open("/admin/rules/rule/add/")
    assert asked == []
    page.locator("[name=name]").press_sequentially("x")
    desk.open("/admin/rules/")
    assert asked == ["beforeunload"]


def test_presets_fill_the_window(form):
    page = form().page

    page.click("button:text-is('618')")
    assert page.input_value("[name=valid_from]").endswith("-06-01T00:00")
    page.click("button:text-is('Always')")
    assert page.input_value("[name=valid_until]") == ""


def test_on_a_phone_the_preview_is_a_bar_below(form):
    desk = form()
    page = desk.page
    page.set_viewport_size({"width": 390, "height": 844})
    desk.choose(0, "province", "in")
    desk.rows().nth(0).locator(".rf-widget input").fill("新疆")
    desk.rows().nth(0).locator(".rf-widget input").press("Enter")

    page.locator("[data-bar-text]:has-text('Matches 3 of the last 6 orders')").wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390


def test_the_form_saves_without_javascript(form):
    page = form(java_script_enabled=False).page

    page.fill("[name=name]", "plain")
    page.fill("[name=key]", "plain")
    page.select_option("[name=rows-0-fact]", "ship_to.province")
    page.select_option("[name=rows-0-op]", "in")
    page.fill("[name=rows-0-value]", f"{FAR}、西藏自治区")
    page.fill("[name=rows-1-group]", "2")
    page.select_option("[name=rows-1-fact]", "order.urgent")
    page.select_option("[name=rows-1-op]", "is_true")
    page.select_option("[name=actions-0-do]", "hold")
    page.fill("[name=actions-0-text]", "plain reason")
    page.locator("[name=_save]").first.click()

    assert saved("plain")["when"] == [
        [row("ship_to.province", "in", [FAR, "西藏自治区"])],
        [row("order.urgent", "is_true")],
    ]
