"""The board in a real browser: keys, two people, no script, and payloads that stay text."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.lifecycle.noting import note_order
from orders.models import Hold, Order, StopRequest
from tests.factories import make_sku
from tests.orders.desk import SHOP, held_order, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BOARD = "/admin/orders/hold/"
PAYLOAD = (
    "<img src=x onerror=window.hit=1>\"'><script>window.hit=1</script>{{1103*7919}}${1103*7919}"
)


class Desk:
    """One person's browser on the live server."""

    def __init__(self, chromium: Any, server: str, client: Client, **options: Any) -> None:
        self.context = chromium.new_context(viewport={"width": 1440, "height": 900}, **options)
        session = client.cookies["sessionid"].value
        self.context.add_cookies(
            [
                {"name": "sessionid", "value": session, "url": server},
                {"name": "django_language", "value": "en", "url": server},
            ]
        )
        self.server = server
        self.errors: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str = BOARD) -> Any:
        self.page.goto(self.server + path)
        return self.page

    def current(self) -> str:
        """The order number of the row under the cursor."""
        return self.page.locator("[data-hold][aria-current] .board-number").inner_text()

    def wait_for_pane(self, number: str) -> None:
        self.page.locator(f"[data-pane] h3 a:text-is('{number}')").wait_for()


@pytest.fixture
def desk(world: None, chromium: Any, live_server: Any) -> Any:
    opened: list[Desk] = []

    def make(group: str = "supervisor", name: str = "alice", **options: Any) -> Desk:
        _user, client = person(group, username=name)
        opened.append(Desk(chromium, live_server.url, client, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()
        assert one.errors == []


def test_supervisor_works_the_queue_with_keys_alone(desk):
    for number in ("KEY-1", "KEY-2", "KEY-3", "KEY-4"):
        held_order(number)
    alice = desk()
    page = alice.open()

    page.keyboard.press("j")
    alice.wait_for_pane("KEY-2")
    page.keyboard.press("k")
    alice.wait_for_pane("KEY-1")
    page.keyboard.press("r")
    page.keyboard.press("2")
    page.locator("[data-toast]:has-text('Released. Order KEY-1 is dispatched')").wait_for()
    alice.wait_for_pane("KEY-2")
    assert alice.current() == "KEY-2"

    page.keyboard.press("x")
    page.keyboard.press("3")
    page.locator("[data-toast]:has-text('Order KEY-2 is cancelled')").wait_for()
    alice.wait_for_pane("KEY-3")
    page.keyboard.press("h")
    page.keyboard.press("Enter")
    page.locator("[data-toast]:has-text('Order KEY-3 waits for a correction')").wait_for()
    alice.wait_for_pane("KEY-4")

    answers = {
        hold.order.number: (hold.state, hold.follow_up, hold.resolution)
        for hold in Hold.objects.select_related("order").exclude(state="open")
    }
    assert answers == {
        "KEY-1": ("released", "", "Address checked and correct"),
        "KEY-2": ("upheld", "cancel", "Suspected malicious purchase"),
        "KEY-3": ("upheld", "correction", "Address has to be corrected"),
    }


def test_released_order_is_held_again_with_one_key(desk):
    held_order("BACK-1")
    held_order("NEXT-1")
    alice = desk()
    page = alice.open()

    page.keyboard.press("r")
    page.keyboard.press("1")
    alice.wait_for_pane("NEXT-1")
    page.keyboard.press("u")
    page.locator("[data-toast]:has-text('The warehouse was asked to stop order BACK-1')").wait_for()

    assert StopRequest.objects.get().order.number == "BACK-1"


def test_keys_are_left_alone_while_typing_and_composing(desk):
    held_order("TYPE-1")
    held_order("TYPE-2")
    alice = desk()
    page = alice.open()

    page.fill("[data-pane] [data-act=note] [name=reason]", "")
    page.locator("[data-pane] [data-act=note] [name=reason]").press_sequentially("jkrhxcu")
    assert page.input_value("[data-pane] [data-act=note] [name=reason]") == "jkrhxcu"
    page.keyboard.press("Escape")
    page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        "{code: 'KeyJ', key: 'j', isComposing: true, bubbles: true}))"
    )
    assert alice.current() == "TYPE-1"
    page.keyboard.press("Control+j")
    assert alice.current() == "TYPE-1"
    page.keyboard.press("j")
    assert alice.current() == "TYPE-2"


def test_keys_follow_the_keyboard_and_not_the_layout(desk):
    held_order("LAY-1")
    held_order("LAY-2")
    alice = desk()
    page = alice.open()

    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {code: 'KeyJ', key: 'о'}))")

    alice.wait_for_pane("LAY-2")


def test_shortcuts_can_be_switched_off(desk):
    held_order("OFF-1")
    held_order("OFF-2")
    alice = desk()
    page = alice.open()

    page.keyboard.press("Shift+Slash")
    page.uncheck("[data-keys-switch]")
    page.keyboard.press("Escape")
    page.keyboard.press("j")

    assert alice.current() == "OFF-1"


def test_claim_is_seen_and_the_loser_lands_on_the_next(desk):
    held_order("CLAIM-1")
    held_order("CLAIM-2")
    alice, bob = desk(), desk(name="bob")
    alice.open()
    bob.open()

    alice.page.keyboard.press("c")
    alice.page.locator("[data-hold] .board-claim.is-mine").wait_for()
    bob.page.keyboard.press("c")

    bob.page.locator("[data-toast]:has-text('alice is working on it until')").wait_for()
    bob.wait_for_pane("CLAIM-2")
    assert (
        bob.page.locator("[data-hold] [data-claim]").first.inner_text().startswith("alice until ")
    )


def test_bulk_release_keeps_what_failed_selected(desk):
    held_order("BULK-1")
    claimed = held_order("BULK-2")
    held_order("BULK-3")
    alice, bob = desk(), desk(name="bob")
    bob.open()
    bob.page.keyboard.press("j")
    bob.wait_for_pane("BULK-2")
    bob.page.keyboard.press("c")
    bob.page.locator(".board-claim.is-mine").wait_for()
    page = alice.open()

    page.check("[data-select-all]")
    page.fill("[data-bulk] [name=reason]", "sale approved")
    page.click("[data-bulk] button:has-text('Release selected')")
    page.locator("[data-toast]:has-text('1 not released, still selected')").wait_for()

    boxes = page.locator("input[name=hold]:checked")
    assert boxes.count() == 1
    assert boxes.first.get_attribute("value") == str(claimed.pk)
    assert Order.objects.filter(state="dispatched").count() == 2


def test_new_holds_are_announced_and_rows_do_not_move(desk):
    held_order("OLD-1")
    alice = desk()
    page = alice.open()
    held_order("NEW-1")

    page.locator("[data-new]:has-text('1 new')").wait_for(timeout=15_000)
    assert page.locator("[data-hold]").count() == 1
    page.click("[data-new]")
    page.locator("[data-hold] >> text=NEW-1").wait_for()
    assert alice.current() == "OLD-1"


def test_pressing_twice_on_a_slow_network_acts_once(desk):
    held_order("SLOW-1")
    alice = desk()
    page = alice.open()
    calls = []
    page.on(
        "request", lambda request: calls.append(request.url) if "/release/" in request.url else 0
    )
    page.route("**/release/", lambda route: (page.wait_for_timeout(600), route.continue_()))

    page.check("[data-pane] [data-act=release] [name=quick] >> nth=0", force=True)
    button = page.locator("[data-pane] [data-act=release] button")
    button.click(no_wait_after=True)
    button.click(no_wait_after=True)
    page.locator("[data-toast]:has-text('Released')").wait_for()

    assert len(calls) == 1
    assert Order.objects.get(number="SLOW-1").shipments.count() == 1


def test_forms_work_without_a_script(desk):
    held_order("PLAIN-1")
    held_order("PLAIN-2")
    alice = desk(java_script_enabled=False)
    page = alice.open()

    page.click("[data-hold] >> text=PLAIN-1")
    page.check("[name=quick] >> nth=0", force=True)
    page.click("[data-act=release] button")

    assert "Released. Order PLAIN-1 is dispatched" in page.content()
    assert "PLAIN-2" in page.inner_text("[data-pane-hold]")


def test_phone_shows_one_column_and_opens_a_page(desk):
    hold = held_order("PHONE-1")
    alice = desk(name="ann")
    alice.page.set_viewport_size({"width": 390, "height": 844})
    page = alice.open()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("[data-hold] [data-open]")
    page.wait_for_url(f"**{reverse('admin:orders_hold_change', args=(hold.pk,))}**")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.is_visible("[data-act=release] button")


def test_payloads_in_every_field_stay_text(desk):
    make_sku("XSS-1", name=PAYLOAD, category=PAYLOAD[:60])
    hold = held_order(
        "XSS-1",
        lines=[("XSS-1", 4, "99.00")],
        customer={"name": PAYLOAD, "crm_grade": "<b>A</b>"},
        ship_to={"name": PAYLOAD[:100], "street": PAYLOAD},
        buyer_remark=PAYLOAD,
        seller_remark=PAYLOAD,
        invoice_title=PAYLOAD[:110],
        delivery_slot="<i>noon</i>",
        livestream_room="<u>room</u>",
        coupons=[{"code": "<s>C</s>", "type": "满299减100", "discount": "100.00"}],
    )
    Hold.objects.filter(pk=hold.pk).update(
        reason=PAYLOAD, rule_name=PAYLOAD[:110], resolution=PAYLOAD
    )
    Order.objects.filter(pk=hold.order_id).update(tags=["<img src=x>"], lane="<i>x</i>")
    note_order(hold.order_id, actor=SHOP, text=PAYLOAD)
    alice = desk()

    for path in (
        BOARD,
        reverse("admin:orders_hold_change", args=(hold.pk,)),
        reverse("admin:orders_order_changelist"),
        reverse("admin:orders_order_change", args=(hold.order_id,)),
        reverse("admin:orders_order_edit", args=(hold.order_id,)),
        reverse("admin:orders_customer_change", args=(hold.order.customer_id,)),
        reverse("admin:orders_screeningdecision_change", args=(hold.order.decisions.get().pk,)),
        reverse("admin:orders_sku_changelist"),
        reverse("admin:orders_stock_changelist"),
    ):
        page = alice.open(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hit") is None, path
        assert page.locator("img[src=x]").count() == 0, path
        assert "8734657" not in page.inner_text("#content"), path
    page = alice.open()
    page.click("[data-reveal] button")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
