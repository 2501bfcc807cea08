"""Dispatch: each order leaves exactly once, with what belongs to it, from where its goods lie."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from changefeed.models import Change
from orders.errors import InvalidOrder, WrongState
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.dispatching import dispatch_order, dispatch_ready, release_due_batches
from orders.lifecycle.holds import hold_order, release_hold
from orders.lifecycle.restocking import fill_short
from orders.lifecycle.routing_choices import choose_slots
from orders.lifecycle.screening import rescreen_order
from orders.lifecycle.stock import receive_stock
from orders.models import Effect, Hold, Order, Shipment, ShipmentLine, Sku
from tests.factories import make_sku
from tests.orders.acting import (
    COUPON,
    SHOP,
    XINJIANG,
    acts,
    again,
    assert_ledger_agrees,
    assign_rule,
    feed,
    held,
    ledger,
    nothing_changes,
    now_seq,
    parcels,
    placed,
    publish_rules,
    state,
    stock,
    supervisor,
    the_change,
    warehouse,
)

pytestmark = pytest.mark.usefixtures("world")


def test_a_batch_of_mixed_orders_leaves_once() -> None:
    plain = placed("P-1")
    milk = placed("P-2", lines=[("MILK-900", 2, "300.00")])
    live = placed("P-3", livestream_room="austin-1111")
    blocked, _hold = held("P-4")
    unpaid = placed("P-5", paid_at=None)
    before = now_seq()

    assert dispatch_ready() == 3
    assert dispatch_ready() == 0

    assert [state(one) for one in (plain, milk, live, blocked, unpaid)] == [
        "dispatched",
        "dispatched",
        "dispatched",
        "on_hold",
        "received",
    ]
    assert parcels(milk) == [("P-2-1", "released")]
    shipment = Shipment.objects.get(order=milk)
    assert (shipment.warehouse.code, again(milk).courier.code, shipment.lane) == (
        "COLD-1",
        "SF-COLD",
        "cold_chain",
    )
    assert [*shipment.lines.values_list("order_line__sku__code", "quantity")] == [("MILK-900", 2)]
    assert Shipment.objects.get(order=live).print_priority == 1
    assert feed(plain, before) == ["shipment.released", "order.dispatched"]
    assert acts(plain) == [("dispatched", "system")]
    assert feed(blocked, before) == feed(unpaid, before) == []


def test_the_first_event_of_a_parcel_carries_contents_and_address() -> None:
    order = placed("P-1", lines=[("TEA-1", 2, "50.00"), ("LENS-85", 1, "100.00")])
    dispatch_ready()

    news = the_change(kind="shipment.released").new

    assert news["number"] == "P-1-1"
    assert news["lines"] == [{"sku": "TEA-1", "quantity": 2}, {"sku": "LENS-85", "quantity": 1}]
    assert news["ship_to"]["street"] == order.street
    assert news["routing"]["warehouse"] == "EAST-1"


def test_effects_happen_once_however_often_the_rules_run() -> None:
    order = placed(lines=[("TEA-1", 6, "99.00")])
    for _round in range(3):
        rescreen_order(order.pk, actor=SHOP)
    assert Effect.objects.count() == 0

    dispatch_ready()

    assert {*Effect.objects.values_list("key", flat=True)} == {"dispatch", "after_sales_voucher"}
    caused = the_change(kind="order.effect_caused")
    assert caused.new == {
        "effect": "after_sales_voucher",
        "rule": "vip",
        "customer": order.customer.external_id,
    }
    with nothing_changes(), pytest.raises(WrongState):
        rescreen_order(order.pk, actor=SHOP)
    assert again(order).tags == ["VIP"]


def test_small_hours_lens_of_a_new_account_asks_for_freight_insurance() -> None:
    placed_at = (timezone.localtime() - timedelta(days=1)).replace(hour=2, minute=30)
    order = placed(
        placed_at=placed_at.isoformat(),
        paid_at=placed_at.isoformat(),
        lines=[("LENS-85", 1, "2999.00")],
        customer={"registered_at": (placed_at - timedelta(hours=6)).isoformat()},
    )
    dispatch_ready()

    keys = Effect.objects.filter(order=order).values_list("key", flat=True)
    assert {*keys} == {"dispatch", "after_sales_voucher", "freight_insurance_request"}
    assert again(order).tags == ["VIP", "开箱退货风险"]


# --- one order by hand ---


def test_an_order_is_dispatched_by_hand() -> None:
    order = placed()
    actor = supervisor()

    assert dispatch_order(order.pk, actor=actor).state == "dispatched"
    assert acts(order) == [("dispatched", actor.name)]
    with nothing_changes(), pytest.raises(WrongState):
        dispatch_order(order.pk, actor=actor)


def test_dispatch_by_hand_names_what_it_waits_for() -> None:
    blocked, _hold = held()
    main = placed("M-1")
    gift = placed("G-1", gift_for="M-1")
    later = make_sku("SOON", presale_ship_date=date.today() + timedelta(days=9))
    presale = placed(lines=[(later.code, 1, "10.00")])

    for order in (blocked, gift, presale):
        with nothing_changes(), pytest.raises(WrongState) as refused:
            dispatch_order(order.pk, actor=SHOP)
        assert refused.value.message
    assert state(main) == "ready"


# --- presale ---


def test_presale_goods_wait_for_their_ship_date() -> None:
    day = timezone.localdate() + timedelta(days=3)
    make_sku("SOON", presale_ship_date=day)
    order = placed(lines=[("SOON", 1, "10.00"), ("TEA-1", 1, "99.00")])
    assert (order.state, order.lane) == ("ready", "presale")
    assert timezone.localtime(order.dispatch_after).isoformat() == f"{day}T00:00:00+08:00"
    assert dispatch_ready() == 0

    Order.objects.filter(pk=order.pk).update(dispatch_after=timezone.now())
    assert dispatch_ready() == 1


# --- gifts ---


def test_a_gift_leaves_with_its_main_order_and_never_before() -> None:
    gift = placed("G-1", gift_for="M-1", lines=[("TEA-1", 1, "0.00")])
    assert dispatch_ready() == 0
    main, hold = held("M-1")
    assert dispatch_ready() == 0

    release_hold(hold.pk, actor=supervisor(), reason="fine")

    assert (state(main), state(gift)) == ("dispatched", "dispatched")
    assert again(gift).lane == "gift"
    assert parcels(gift) == [("G-1-1", "released")]


def test_a_main_order_waits_for_its_held_gift() -> None:
    main = placed("M-1")
    gift, hold = held("G-1", gift_for="M-1")
    assert dispatch_ready() == 0
    assert (state(main), state(gift)) == ("ready", "on_hold")

    release_hold(hold.pk, actor=supervisor(), reason="fine")
    assert state(gift) == "ready"
    assert dispatch_ready() == 2
    assert (state(main), state(gift)) == ("dispatched", "dispatched")


def test_a_main_order_waits_for_a_gift_whose_warehouse_is_short() -> None:
    make_sku("TOY", units=1, warehouses=("SOUTH-1",))
    gift, hold = held("G-1", gift_for="M-1", lines=[("TOY", 1, "20.00")])
    main = placed("M-1")
    choose_slots(gift.pk, actor=supervisor(), warehouse="EAST-1")

    release_hold(hold.pk, actor=supervisor(), reason="fine")
    dispatch_ready()

    assert (state(main), state(gift)) == ("ready", "on_hold")
    assert Hold.objects.get(state="open").owner == "stock"
    receive_stock(Sku.objects.get(code="TOY"), warehouse("EAST-1"), 1, actor=SHOP)
    assert fill_short() == 1
    dispatch_ready()
    assert (state(main), state(gift)) == ("dispatched", "dispatched")


def test_a_gift_that_arrives_late_follows_its_main_order() -> None:
    placed("M-1")
    dispatch_ready()
    gift = placed("G-1", gift_for="M-1")

    assert dispatch_ready() == 1
    assert state(gift) == "dispatched"


def test_a_gift_of_a_cancelled_order_is_cancelled_with_it() -> None:
    main = placed("M-1")
    gift = placed("G-1", gift_for="M-1", lines=[("TEA-1", 1, "0.00")])

    cancel_order("M-1", actor=SHOP, reason="changed mind")

    assert (state(main), state(gift)) == ("cancelled", "cancelled")
    assert stock("TEA-1") == (1000, 0)
    refund = the_change(kind="order.refund_requested")
    assert (refund.subject_id, refund.new["amount"]) == ("M-1", "99.00")


# --- children of a platform's parent ---


def test_a_child_waits_while_its_parent_is_held() -> None:
    parent = placed("A-1")
    hold = hold_order(parent.pk, actor=supervisor(), reason="wait")
    child = placed("A-1-X", parent="A-1")
    assert dispatch_ready() == 0
    assert state(child) == "ready"

    release_hold(hold.pk, actor=supervisor(), reason="go")
    assert state(parent) == "dispatched"
    assert dispatch_ready() == 1
    assert state(child) == "dispatched"


# --- subscriptions ---


def _subscription(**changes: Any) -> Order:
    today = timezone.localdate()
    deliveries = [{"date": (today + timedelta(days=days)).isoformat()} for days in (1, 31, 61)]
    return placed("S-1", **({"lines": [("TEA-1", 3, "99.00")], "deliveries": deliveries} | changes))


def test_a_subscription_releases_what_is_due_and_plans_the_rest() -> None:
    order = _subscription()
    dispatch_ready()

    assert parcels(order) == [("S-1-1", "released"), ("S-1-2", "planned"), ("S-1-3", "planned")]
    assert [*ShipmentLine.objects.values_list("quantity", flat=True)] == [1, 1, 1]
    assert release_due_batches() == 0

    second = Shipment.objects.get(number="S-1-2")
    Shipment.objects.filter(pk=second.pk).update(deliver_on=timezone.localdate())
    before = now_seq()
    assert release_due_batches() == 1
    assert release_due_batches() == 0
    assert parcels(order)[1] == ("S-1-2", "released")
    assert feed(order, before) == ["shipment.released"]


def test_deliveries_that_name_their_lines_use_every_unit_of_equal_skus() -> None:
    today = timezone.localdate()
    gift_line = {"sku": "TEA-1", "quantity": 1, "unit_price": "0.00", "is_gift": True}
    paid_line = {"sku": "TEA-1", "quantity": 3, "unit_price": "99.00", "is_gift": False}
    deliveries = [
        {
            "date": (today + timedelta(days=days)).isoformat(),
            "lines": [{"sku": "TEA-1", "quantity": 2}],
        }
        for days in (0, 30)
    ]
    order = _subscription(lines=[gift_line, paid_line], deliveries=deliveries)
    dispatch_ready()

    contents = ShipmentLine.objects.order_by("shipment__number", "order_line__position")
    assert [*contents.values_list("shipment__number", "order_line__position", "quantity")] == [
        ("S-1-1", 1, 1),
        ("S-1-1", 2, 1),
        ("S-1-2", 2, 2),
    ]
    assert state(order) == "dispatched"


def test_an_even_subscription_of_equal_skus_on_two_lines_loses_no_unit() -> None:
    gift_line = {"sku": "TEA-1", "quantity": 1, "unit_price": "0.00", "is_gift": True}
    paid_line = {"sku": "TEA-1", "quantity": 2, "unit_price": "99.00", "is_gift": False}
    _subscription(lines=[gift_line, paid_line])
    dispatch_ready()

    contents = ShipmentLine.objects.order_by("shipment__number")
    assert [*contents.values_list("shipment__number", "order_line__position", "quantity")] == [
        ("S-1-1", 1, 1),
        ("S-1-2", 2, 1),
        ("S-1-3", 2, 1),
    ]


# --- stock moves with routing ---


def test_a_warehouse_other_than_the_reserved_one_moves_the_reservation() -> None:
    order, hold = held("X-1", lines=[("MILK-900", 2, "300.00")])
    assert again(order).stock_warehouse.code == "EAST-1"

    release_hold(hold.pk, actor=supervisor(), reason="fine")

    order = again(order)
    assert (order.state, order.warehouse.code, order.stock_warehouse.code) == (
        "dispatched",
        "COLD-1",
        "COLD-1",
    )
    assert ledger(order) == [
        ("reserve", "MILK-900", "EAST-1", 0, 2),
        ("release", "MILK-900", "EAST-1", 0, -2),
        ("reserve", "MILK-900", "COLD-1", 0, 2),
    ]
    assert_ledger_agrees()


def test_a_named_warehouse_that_is_short_holds_the_order_for_stock() -> None:
    make_sku("JAM", units=5, warehouses=("EAST-1",))
    publish_rules(assign_rule("south", "SOUTH-1"))
    order = placed(lines=[("JAM", 1, "10.00")])

    hold = order.holds.get()
    assert (hold.owner, hold.reason, hold.risk) == ("stock", "stock_short", "medium")
    assert hold.inputs == [{"sku": "JAM", "quantity": 1}]
    assert (state(order), order.stock_warehouse) == ("on_hold", None)
    assert stock("JAM") == (5, 0)


def test_a_persons_choice_is_never_overwritten_by_rules() -> None:
    order = placed()
    actor = supervisor()

    choose_slots(order.pk, actor=actor, courier="SF", lane="vip", print_priority="0")
    rescreen_order(order.pk, actor=SHOP)
    dispatch_ready()

    shipment = Shipment.objects.get(order=order)
    assert (again(order).courier.code, shipment.lane, shipment.print_priority) == ("SF", "vip", 0)
    assert again(order).packaging.code == "carton"
    assert acts(order)[0] == ("slots_chosen", actor.name)
    with nothing_changes(), pytest.raises(WrongState):
        choose_slots(order.pk, actor=actor, courier="ZTO")


@pytest.mark.parametrize(
    ("slot", "value", "code"),
    [
        ("warehouse", "MOON-1", "unknown"),
        ("courier", "", "unknown"),
        ("lane", "x" * 65, "unreadable"),
        ("print_priority", "high", "unreadable"),
        ("print_priority", 10, "unreadable"),
        ("number", "X", "unknown_slot"),
    ],
)
def test_a_slot_that_cannot_be_is_refused(slot: str, value: object, code: str) -> None:
    order = placed()

    with nothing_changes(), pytest.raises(InvalidOrder) as refused:
        choose_slots(order.pk, actor=SHOP, **{slot: value})

    assert [(error.field, error.code) for error in refused.value.errors] == [(slot, code)]


def test_a_slot_that_no_rule_fills_any_more_is_emptied() -> None:
    order = placed(paid_at=None, urgent=True)
    assert again(order).courier.code == "SF"
    publish_rules(assign_rule("east", "EAST-1"))

    rescreen_order(order.pk, actor=SHOP)

    order = again(order)
    assert (order.warehouse.code, order.courier, order.lane) == ("EAST-1", None, "")


def test_new_stock_goes_to_the_order_that_paid_first() -> None:
    make_sku("RARE", units=0, warehouses=("EAST-1",))
    make_sku("NEVER", units=0, warehouses=("EAST-1",))
    hopeless = placed(lines=[("NEVER", 1, "10.00")])
    minutes = [5, 8, 2]
    orders = [
        placed(
            lines=[("RARE", 1, "10.00")],
            paid_at=(timezone.now() - timedelta(minutes=number)).isoformat(),
        )
        for number in minutes
    ]
    receive_stock(Sku.objects.get(code="RARE"), warehouse("EAST-1"), 2, actor=SHOP)
    before = now_seq()

    assert fill_short(limit=3) == 2

    assert [state(order) for order in orders] == ["dispatched", "dispatched", "on_hold"]
    assert state(hopeless) == "on_hold"
    assert stock("RARE") == (2, 2)
    assert acts(orders[0]) == [("stock_filled", "system"), ("dispatched", "system")]
    assert feed(orders[1], before)[:1] == ["hold.released"]
    assert fill_short() == 0
    assert_ledger_agrees()


def test_new_stock_does_not_lift_what_a_rule_holds() -> None:
    make_sku("RARE", units=0)
    order = placed(lines=[("RARE", 1, "50.00")], ship_to=XINJIANG, coupons=[COUPON])
    assert order.holds.count() == 2
    receive_stock(Sku.objects.get(code="RARE"), warehouse("EAST-1"), 2, actor=SHOP)

    assert fill_short() == 1

    assert state(order) == "on_hold"
    assert order.holds.get(state="open").owner == "rule"
    assert stock("RARE") == (2, 1)


# --- rules that cannot fight ---


def test_milk_powder_three_rules_one_waybill_one_warehouse_one_vip_tag() -> None:
    order = placed("MP-1", lines=[("MILK-900", 2, "300.00")])
    for _again in range(3):
        rescreen_order(order.pk, actor=SHOP)
        dispatch_ready()
        if state(order) == "dispatched":
            break
    dispatch_ready()

    order = again(order)
    assert order.warehouse.code == "COLD-1"
    assert order.tags == ["VIP"]
    assert Shipment.objects.count() == 1
    keys = Effect.objects.order_by("key").values_list("key", flat=True)
    assert [*keys] == ["after_sales_voucher", "dispatch"]
    assert Change.objects.filter(kind="shipment.released").count() == 1
    layers = {match["layer"] for match in order.decisions.latest("id").outcome["matches"]}
    assert layers == {"allocate", "tag", "dispatch"}
