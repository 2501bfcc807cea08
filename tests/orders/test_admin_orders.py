"""Order, stock, customer and shipment pages of the admin: what they find, mask, do and refuse."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from orders.actors import Actor
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_order
from orders.lifecycle.recalling import recall_order
from orders.models import Hold, Order, Stock, StockEntry, TimelineEntry
from orders.status import OrderState
from tests.orders.desk import clean_order, held_order, known_rules, person

pytestmark = pytest.mark.django_db
ORDERS = "/admin/orders/order/"


@pytest.fixture(autouse=True)
def english() -> None:
    translation.activate("en")


def signed_in(group: str) -> Client:
    _user, client = person(group)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def supervisor(world: None) -> Client:
    return signed_in("supervisor")


def page_of(order: Order, act: str = "change") -> str:
    name = f"admin:orders_order_{act}"
    return reverse(name, args=(order.pk,))


def queries(client: Client, url: str, **params: str) -> list[str]:
    client.get(url, params)
    with known_rules(), CaptureQueriesContext(connection) as captured:
        assert client.get(url, params).status_code == 200
    return [query["sql"] for query in captured]


# --- the list ----------------------------------------------------------------------------------


def test_list_shows_facts_and_no_personal_data(supervisor):
    clean_order("LIST-1", ship_to={"name": "欧阳娜娜", "phone": "+8613912345678"}, urgent=True)

    text = supervisor.get(ORDERS).content.decode()

    assert "LIST-1" in text
    assert '<span class="desk-amount">¥99.00</span>' in text
    assert "欧***" in text
    assert "欧阳娜娜" not in text
    assert "13912345678" not in text
    assert '<span class="desk-chip">urgent</span>' in text


def test_list_never_counts_and_asks_a_fixed_number_of_queries(supervisor):
    clean_order()
    few = queries(supervisor, ORDERS)
    for _index in range(8):
        clean_order()
    many = queries(supervisor, ORDERS)

    assert len(many) == len(few) <= 12
    assert not any("COUNT(" in sql and "orders_order" in sql for sql in many)


@pytest.mark.parametrize(
    "text", ["SEARCH-1", "search-1", "SEARCH", "C-4711", "139 1234 5678", "+86 13912345678"]
)
def test_search_finds_what_people_hold_in_their_hands(supervisor, text):
    clean_order("SEARCH-1", customer={"external_id": "C-4711", "phone": "+8613912345678"})
    clean_order("UNRELATED-1")

    page = supervisor.get(ORDERS, {"q": text}).content.decode()

    assert "SEARCH-1" in page
    assert "UNRELATED-1" not in page


@pytest.mark.parametrize("text", ["139****5678", "nothing", "'; --", "%", "日本"])
def test_search_for_nothing_finds_nothing(supervisor, text):
    clean_order("SEARCH-1", customer={"phone": "+8613912345678"})

    assert "SEARCH-1" not in supervisor.get(ORDERS, {"q": text}).content.decode()


def test_search_scans_no_table(supervisor):
    clean_order("SEARCH-1")

    for sql in queries(supervisor, ORDERS, q="SEARCH"):
        assert " LIKE UPPER" not in sql
        assert "LIKE '%" not in sql


def test_filters_without_an_index_are_bounded_and_say_so(supervisor):
    clean_order("FILTER-1")

    bounded = supervisor.get(ORDERS, {"kind": "urgent"}).content.decode()
    indexed = supervisor.get(ORDERS, {"state__exact": "on_hold"}).content.decode()

    assert "These filters look at the newest 50,000 orders." in bounded
    assert "These filters look at" not in indexed


# --- the page ----------------------------------------------------------------------------------


def test_page_tells_the_order_in_cards(supervisor):
    order = held_order("PAGE-1", buyer_remark="请尽快发货").order

    text = supervisor.get(page_of(order)).content.decode()

    for words in ("¥296.00", "满299减100", "新疆维吾尔自治区", "请尽快发货", "Timeline", "On hold"):
        assert words in text
    assert "林*" in text
    assert "林婷" not in text
    assert "+8613800000000" not in text


def test_page_asks_a_bounded_number_of_queries(supervisor):
    order = clean_order("PAGE-1", lines=[("TEA-1", 1, "99.00")])
    larger = clean_order(
        "PAGE-2", lines=[("TEA-1", 2, "99.00"), ("LENS-85", 1, "10.00"), ("MILK-900", 3, "9.00")]
    )

    assert len(queries(supervisor, page_of(order))) == len(queries(supervisor, page_of(larger)))
    assert len(queries(supervisor, page_of(order))) <= 25


def test_buttons_follow_state_and_permission(supervisor):
    ready = clean_order("READY-1")
    agent, warehouse = signed_in("agent"), signed_in("warehouse")

    for_supervisor = supervisor.get(page_of(ready)).content.decode()
    for_agent = agent.get(page_of(ready)).content.decode()
    for_warehouse = warehouse.get(page_of(ready)).content.decode()

    assert page_of(ready, "dispatch_now") in for_supervisor
    assert page_of(ready, "recall") not in for_supervisor
    assert page_of(ready, "dispatch_now") not in for_agent
    assert page_of(ready, "edit") in for_agent
    for act in ("hold_order", "cancel", "edit", "dispatch_now", "reveal"):
        assert page_of(ready, act) not in for_warehouse


def test_revealing_shows_the_contact_once_and_is_recorded(supervisor):
    order = clean_order(ship_to={"name": "林婷婷", "phone": "+8613912345678"})

    shown = supervisor.post(page_of(order, "reveal")).content.decode()
    after = supervisor.get(page_of(order)).content.decode()

    assert "13912345678" in shown
    assert "林婷婷" in shown
    assert "13912345678" not in after
    assert TimelineEntry.objects.filter(act="revealed", order=order).count() == 1


@pytest.mark.parametrize("group", ["operations", "warehouse"])
def test_others_cannot_reveal(world, group):
    order = clean_order(ship_to={"phone": "+8613912345678"})

    response = signed_in(group).post(page_of(order, "reveal"))

    assert response.status_code == 403
    assert not TimelineEntry.objects.filter(act="revealed").exists()


def test_unknown_orders_are_not_found(supervisor):
    for key in ("999999", "abc", "1e3", "１", "0"):
        for act in ("change", "reveal", "note", "cancel", "edit"):
            url = reverse(f"admin:orders_order_{act}", args=(key,))
            response = supervisor.post(url) if act in ("reveal", "note") else supervisor.get(url)
            assert response.status_code == 404, url


# --- acts --------------------------------------------------------------------------------------


def test_holding_an_order_by_hand(supervisor):
    order = clean_order()

    response = supervisor.post(page_of(order, "hold_order"), {"reason": "asked to wait"})

    order.refresh_from_db()
    assert response.headers["Location"] == page_of(order)
    assert order.state == OrderState.ON_HOLD
    assert Hold.objects.get(order=order).reason == "asked to wait"


def test_act_without_a_reason_shows_the_form_again(supervisor):
    order = clean_order()

    response = supervisor.post(page_of(order, "cancel"), {"reason": " "})

    order.refresh_from_db()
    assert response.status_code == 422
    assert order.state == OrderState.READY


def test_cancelling_gives_the_stock_back(supervisor):
    order = clean_order()

    supervisor.post(page_of(order, "cancel"), {"reason": "customer asked"})

    order.refresh_from_db()
    assert order.state == OrderState.CANCELLED
    assert not Stock.objects.filter(reserved__gt=0).exists()


def test_act_that_the_state_forbids_is_explained(supervisor):
    order = clean_order()
    dispatch_order(order.pk, actor=Actor("system"))

    response = supervisor.post(page_of(order, "hold_order"), {"reason": "too late"})

    assert response.status_code == 422
    assert not Hold.objects.exists()


def test_correcting_the_address_without_seeing_it(supervisor):
    order = clean_order()

    form = supervisor.get(page_of(order, "edit")).content.decode()
    supervisor.post(
        page_of(order, "edit"),
        {
            "version": order.version,
            "province": order.province,
            "city": order.city,
            "district": order.district,
            "street": "文三路 8 号",
            "name": "",
            "phone": "",
        },
    )

    version = order.version
    order.refresh_from_db()
    assert "林婷" not in form
    assert "13800000000" not in form
    assert order.street == "文三路 8 号"
    assert order.ship_name == "林婷"
    assert order.version > version


def test_impossible_address_is_refused_beside_its_field(supervisor):
    order = clean_order()

    response = supervisor.post(
        page_of(order, "edit"),
        {"version": order.version, "province": "浙江省", "city": "广州市", "district": "余杭区"},
    )

    order.refresh_from_db()
    assert response.status_code == 422
    assert response.context["form"].errors.keys() & {"province", "city", "district"}
    assert order.city == "杭州市"


def test_correction_after_dispatch_waits_for_the_warehouse(supervisor):
    order = clean_order()
    dispatch_order(order.pk, actor=Actor("system"))
    order.refresh_from_db()

    response = supervisor.post(
        page_of(order, "edit"),
        {
            "version": order.version,
            "province": order.province,
            "city": order.city,
            "district": order.district,
            "invoice_title": "我的公司",
        },
        follow=True,
    )

    order.refresh_from_db()
    assert "The warehouse was asked to stop; the correction of" in response.content.decode()
    assert order.invoice_title == ""
    assert order.stop_requests.get().fields == {"invoice_title": "我的公司"}


def test_conflict_shows_what_the_other_changed(supervisor):
    order = held_order().order
    data = {
        "version": order.version,
        "province": order.province,
        "city": order.city,
        "district": order.district,
        "invoice_title": "我的公司",
    }
    change_order(
        order.number, version=None, fields={"delivery_slot": "evening"}, actor=Actor("user:bob")
    )

    refused = supervisor.post(page_of(order, "edit"), data)
    text = refused.content.decode()
    order.refresh_from_db()
    assert refused.status_code == 422
    assert "Changed meanwhile by somebody else:" in text
    assert "<ins>evening</ins>" in text
    assert "bob" in text
    assert order.invoice_title == ""

    again = supervisor.post(
        page_of(order, "edit"),
        {**data, "version": order.version, "delivery_slot": "evening"},
    )
    order.refresh_from_db()
    assert again.status_code == 302
    assert (order.invoice_title, order.delivery_slot) == ("我的公司", "evening")


def test_choosing_slots_by_hand(supervisor):
    from orders.models import Courier

    order = clean_order()
    jd = Courier.objects.get(code="JD")

    supervisor.post(
        page_of(order, "slots"), {"warehouse": order.warehouse_id or "", "courier": jd.pk}
    )

    order.refresh_from_db()
    assert order.courier == jd
    assert "courier" in order.manual_slots


def test_splitting_in_two(supervisor):
    order = clean_order("SPLIT-1", lines=[("TEA-1", 3, "99.00")])

    supervisor.post(page_of(order, "split"), {"line_1": "1"})

    children = Order.objects.filter(parent_number="SPLIT-1").order_by("number")
    assert [child.lines.get().quantity for child in children] == [2, 1]


def test_split_that_moves_nothing_is_refused(supervisor):
    order = clean_order("SPLIT-1", lines=[("TEA-1", 3, "99.00")])

    response = supervisor.post(page_of(order, "split"), {"line_1": "0"})

    assert response.status_code == 422
    assert not Order.objects.filter(parent_number="SPLIT-1").exists()


def test_merging_offers_only_orders_that_may_travel_along(supervisor):
    same = {"customer": {"external_id": "C-9"}, "ship_to": {"street": "文一西路 1 号"}}
    main, other = clean_order("MAIN-1", **same), clean_order("WITH-1", **same)
    stranger = clean_order("ELSE-1")

    form = supervisor.get(page_of(main, "merge")).content.decode()
    forged = supervisor.post(page_of(main, "merge"), {"numbers": [stranger.number]})
    supervisor.post(page_of(main, "merge"), {"numbers": [other.number]})

    other.refresh_from_db()
    stranger.refresh_from_db()
    assert "WITH-1" in form
    assert "ELSE-1" not in form
    assert forged.status_code == 422
    assert stranger.merged_into_number == ""
    assert other.merged_into_number == "MAIN-1"


def test_repeating_an_act_is_harmless(supervisor):
    order = clean_order()
    for _press in range(2):
        supervisor.post(page_of(order, "cancel"), {"reason": "customer asked"})

    assert order.timeline.filter(act="cancelled").count() == 1


# --- stock, customers, shipments ---------------------------------------------------------------


def test_receiving_goods_is_ledgered_with_the_person(world):
    client = signed_in("warehouse")
    stock = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1")

    response = client.post(
        reverse("admin:orders_stock_receive"),
        {"sku": "TEA-1", "warehouse": stock.warehouse_id, "units": "7"},
    )

    before = stock.on_hand
    stock.refresh_from_db()
    entry = StockEntry.objects.latest("id")
    assert response.status_code == 302
    assert stock.on_hand == before + 7
    assert (entry.on_hand_delta, entry.actor.startswith("user:warehouse")) == (7, True)


@pytest.mark.parametrize(
    "data", [{"sku": "NOPE"}, {"units": "0"}, {"units": "-1"}, {"units": "1e9"}, {"warehouse": "0"}]
)
def test_receiving_nonsense_changes_nothing(world, data):
    client = signed_in("warehouse")
    stock = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1")
    entries = StockEntry.objects.count()

    response = client.post(
        reverse("admin:orders_stock_receive"),
        {"sku": "TEA-1", "warehouse": stock.warehouse_id, "units": "7", **data},
    )

    assert response.status_code == 422
    assert StockEntry.objects.count() == entries


def test_count_below_what_is_promised_is_refused(world):
    client = signed_in("warehouse")
    clean_order(lines=[("TEA-1", 5, "99.00")])
    stock = Stock.objects.get(sku__code="TEA-1", reserved__gt=0)

    response = client.post(reverse("admin:orders_stock_count", args=(stock.pk,)), {"on_hand": "4"})

    assert response.status_code == 422
    assert "5 units are promised to orders." in response.content.decode()


def test_customer_page_is_masked_and_keeps_contact_read_only(supervisor):
    order = clean_order(customer={"name": "欧阳娜娜", "phone": "+8613912345678"})
    url = reverse("admin:orders_customer_change", args=(order.customer_id,))

    text = supervisor.get(url).content.decode()
    supervisor.post(url, {"name": "x", "phone": "1", "crm_grade": "A", "is_employee": "on"})

    customer = order.customer
    customer.refresh_from_db()
    assert "欧阳娜娜" not in text
    assert "13912345678" not in text
    assert (customer.name, customer.phone) == ("欧阳娜娜", "+8613912345678")
    assert (customer.crm_grade, customer.is_employee) == ("A", True)


def test_warehouse_answers_a_stop_request(world):
    order = clean_order()
    dispatch_order(order.pk, actor=Actor("system"))
    recall_order(order.pk, actor=Actor("user:alice"), reason="wrong address")
    shipment = order.shipments.get()
    client = signed_in("warehouse")
    url = reverse("admin:orders_shipment_answer_stop", args=(shipment.pk,))

    assert (
        url
        in client.get(reverse("admin:orders_shipment_change", args=(shipment.pk,))).content.decode()
    )
    client.post(url, {"answer": "freeze_ack"})
    order.refresh_from_db()
    assert order.state == OrderState.DISPATCHED  # nobody said who said so
    client.post(url, {"answer": "freeze_ack", "reason": "shift leader Li, by phone"})

    order.refresh_from_db()
    assert order.state == OrderState.ON_HOLD


def test_every_page_opens_in_both_languages(world):
    held, order = held_order(), clean_order()
    dispatch_order(order.pk, actor=Actor("system"))
    shipment = order.shipments.get()
    stock = Stock.objects.earliest("pk")
    client = Client()
    client.force_login(person("supervisor", is_superuser=True)[0])
    urls = [reverse("admin:index")]
    for model in (
        "hold",
        "order",
        "shipment",
        "stock",
        "sku",
        "channel",
        "warehouse",
        "courier",
        "packaging",
        "customer",
        "screeningdecision",
    ):
        urls.append(reverse(f"admin:orders_{model}_changelist"))
    for model, key in (
        ("hold", held.pk),
        ("order", order.pk),
        ("shipment", shipment.pk),
        ("stock", stock.pk),
        ("sku", stock.sku_id),
        ("channel", order.channel_id),
        ("warehouse", stock.warehouse_id),
        ("customer", order.customer_id),
        ("screeningdecision", order.decisions.earliest("pk").pk),
    ):
        urls.append(reverse(f"admin:orders_{model}_change", args=(key,)))
    urls += [
        page_of(held.order, act)
        for act in (
            "hold_order",
            "cancel",
            "edit",
            "slots",
            "split",
            "merge",
            "dispatch_now",
            "recall",
        )
    ]
    urls += [reverse("admin:auth_user_changelist"), reverse("admin:auth_group_changelist")]
    for language in ("zh-hans", "en"):
        client.cookies["django_language"] = language
        for url in urls:
            assert client.get(url).status_code == 200, (language, url)


def test_dashboard_counts_what_waits(supervisor):
    hold = held_order()
    Hold.objects.filter(pk=hold.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    clean_order()

    response = supervisor.get(reverse("admin:index"))

    assert [figure.value for figure in response.context["figures"]] == [1, 1, 1, 0]
    assert sum(bar.total for bar in response.context["hours"]) == 2


def test_empty_dashboard_teaches_the_first_step(supervisor):
    assert "No order has come in yet." in supervisor.get(reverse("admin:index")).content.decode()
