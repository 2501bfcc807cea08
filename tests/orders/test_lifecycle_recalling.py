"""After dispatch: the warehouse is asked first, and its answer decides."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from changefeed.models import Change
from orders.actors import Actor
from orders.errors import AlreadyDone, InvalidOrder, NotFound, ReasonMissing, WrongState
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready, release_due_batches
from orders.lifecycle.holds import release_hold
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.routing_choices import choose_slots
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Effect, Order, Shipment, StopRequest
from tests.factories import make_sku
from tests.orders.acting import (
    COUPON,
    CRM,
    SHOP,
    WMS,
    XINJIANG,
    acts,
    again,
    assert_ledger_agrees,
    feed,
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
)

pytestmark = pytest.mark.usefixtures("world")

EVENTS = ("picked", "shipped", "delivered")
NEW_STREET = {"ship_to": {"street": "莫干山路 1 号"}}


def dispatched(number: str = "R-1", **changes: Any) -> Order:
    order = placed(number, **changes)
    dispatch_ready()
    assert state(order) == "dispatched"
    return again(order)


def report(number: str, *events: str, actor: Actor = WMS, **values: Any) -> Shipment:
    for event in events:
        shipment = record_shipment_event(number, event, actor=actor, **values)
    return shipment


def request_state(order: Order) -> tuple[str, str]:
    request = order.stop_requests.order_by("-id")[0]
    return request.purpose, request.state


# --- the ordinary way ---


def test_picked_shipped_delivered_in_turn() -> None:
    order = dispatched(lines=[("TEA-1", 2, "99.00")])
    before = now_seq()

    report("R-1-1", "picked")
    report("R-1-1", "shipped", waybill="SF123")
    assert state(order) == "shipped"
    assert stock("TEA-1") == (998, 0)
    report("R-1-1", "delivered")

    assert state(order) == "delivered"
    assert Shipment.objects.get().waybill == "SF123"
    assert feed(order, before) == [
        "shipment.picking",
        "shipment.shipped",
        "order.shipped",
        "shipment.delivered",
        "order.delivered",
    ]
    assert acts(order)[1:] == [
        ("picked", "key:wms"),
        ("shipped", "key:wms"),
        ("delivered", "key:wms"),
    ]
    assert ledger(order) == [
        ("reserve", "TEA-1", "EAST-1", 0, 2),
        ("consume", "TEA-1", "EAST-1", -2, -2),
    ]
    sources = Change.objects.filter(seq__gt=before).values_list("source", flat=True)
    assert set(sources) == {"wms"}


def test_a_repeated_report_changes_nothing() -> None:
    dispatched()
    for reached, event in enumerate(EVENTS, start=1):
        report("R-1-1", event, waybill="SF123")
        for earlier in EVENTS[:reached]:
            with nothing_changes():
                report("R-1-1", earlier, waybill="ANOTHER")


@pytest.mark.parametrize("event", ["delivered", "freeze_ack", "freeze_refused", "lost", ""])
def test_a_report_that_cannot_be_is_refused(event: str) -> None:
    dispatched()
    with nothing_changes(), pytest.raises(WrongState):
        report("R-1-1", event)


def test_a_report_on_an_unknown_parcel_is_not_found() -> None:
    with pytest.raises(NotFound):
        report("NONE-1", "picked")


def test_nobody_picks_a_planned_batch() -> None:
    today = timezone.localdate()
    days = [(today + timedelta(days=number)).isoformat() for number in (0, 30)]
    dispatched(lines=[("TEA-1", 2, "9.00")], deliveries=[{"date": day} for day in days])

    for event in (*EVENTS, "freeze_ack"):
        with nothing_changes(), pytest.raises(WrongState):
            report("R-1-2", event)


# --- hold again ---


def test_a_recalled_order_is_held_once_the_warehouse_stopped_it() -> None:
    order = dispatched()
    actor, before = supervisor(), now_seq()

    recall_order(order.pk, actor=actor, reason="customer called")
    assert state(order) == "dispatched"
    assert request_state(order) == ("hold", "waiting")
    assert feed(order, before) == ["shipment.freeze_requested"]
    asked = the_change(kind="shipment.freeze_requested").new
    assert asked["freeze_reason"] == "customer called"

    report("R-1-1", "freeze_ack")

    assert state(order) == "on_hold"
    assert parcels(order) == [("R-1-1", "frozen")]
    hold = order.holds.get()
    assert (hold.owner, hold.reason, hold.state) == ("manual", "customer called", "open")
    assert request_state(order) == ("hold", "carried_out")
    assert feed(order, before)[1:] == ["shipment.frozen", "order.held", "hold.opened"]
    assert stock("TEA-1") == (1000, 1)

    release_hold(hold.pk, actor=actor, reason="customer wants it")

    assert state(order) == "dispatched"
    assert parcels(order) == [("R-1-1", "released")]
    shipment = Shipment.objects.get()
    assert (shipment.freeze_requested_at, shipment.freeze_reason, shipment.freeze_answer) == (
        None,
        "",
        "",
    )
    assert [*Effect.objects.values_list("key", flat=True)] == ["dispatch"]
    assert [act for act, _actor in acts(order)] == [
        "dispatched",
        "stop_requested",
        "warehouse_stopped",
        "hold_released",
        "dispatched",
    ]


def test_a_refused_recall_is_noted_and_the_order_goes_on() -> None:
    order = dispatched()
    recall_order(order.pk, actor=supervisor(), reason="customer called")
    before = now_seq()

    report("R-1-1", "freeze_refused")

    assert state(order) == "dispatched"
    assert request_state(order) == ("hold", "refused")
    assert feed(order, before) == ["shipment.freeze_refused"]
    assert acts(order)[-2:] == [("warehouse_refused", "key:wms"), ("stop_came_too_late", "key:wms")]
    assert not order.holds.exists()
    with nothing_changes():
        report("R-1-1", "freeze_refused")
    with nothing_changes(), pytest.raises(WrongState):
        report("R-1-1", "freeze_ack")
    report("R-1-1", "picked", "shipped")
    assert state(order) == "shipped"


def test_a_second_recall_after_a_refusal_asks_the_warehouse_again() -> None:
    order = dispatched()
    recall_order(order.pk, actor=supervisor(), reason="first")
    report("R-1-1", "freeze_refused")
    before = now_seq()

    recall_order(order.pk, actor=supervisor(), reason="second")

    assert feed(order, before) == ["shipment.freeze_requested"]
    report("R-1-1", "freeze_ack")
    assert state(order) == "on_hold"


def test_a_parcel_picked_meanwhile_may_still_be_stopped() -> None:
    order = dispatched()
    recall_order(order.pk, actor=supervisor(), reason="customer called")

    report("R-1-1", "picked")
    assert request_state(order) == ("hold", "waiting")
    report("R-1-1", "freeze_ack")

    assert state(order) == "on_hold"
    with nothing_changes():
        report("R-1-1", "freeze_ack")
    for event in EVENTS:
        with nothing_changes(), pytest.raises(WrongState):
            report("R-1-1", event)


def test_a_parcel_shipped_meanwhile_answers_the_request() -> None:
    order = dispatched()
    recall_order(order.pk, actor=supervisor(), reason="customer called")

    report("R-1-1", "shipped")

    assert (state(order), request_state(order)) == ("shipped", ("hold", "refused"))
    report("R-1-1", "freeze_refused")
    assert Shipment.objects.get().freeze_answer == "refused"
    assert state(order) == "shipped"


def test_only_one_request_waits_at_a_time() -> None:
    order = dispatched()
    recall_order(order.pk, actor=supervisor(), reason="customer called")

    with nothing_changes(), pytest.raises(AlreadyDone):
        recall_order(order.pk, actor=supervisor(), reason="again")
    with nothing_changes(), pytest.raises(AlreadyDone):
        cancel_order("R-1", actor=SHOP, reason="again")
    with nothing_changes(), pytest.raises(AlreadyDone):
        change_order("R-1", version=None, fields=NEW_STREET, actor=CRM)


def test_an_order_not_with_the_warehouse_cannot_be_recalled() -> None:
    order = placed("R-1")
    with nothing_changes(), pytest.raises(WrongState):
        recall_order(order.pk, actor=SHOP, reason="why")
    dispatch_ready()
    with nothing_changes(), pytest.raises(ReasonMissing):
        recall_order(order.pk, actor=SHOP, reason=" ")
    report("R-1-1", "shipped")
    with nothing_changes(), pytest.raises(WrongState):
        recall_order(order.pk, actor=SHOP, reason="why")


def test_recalling_a_main_order_stops_its_gift_too() -> None:
    main = placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()

    recall_order(main.pk, actor=supervisor(), reason="customer called")
    report("R-1-1", "freeze_ack")
    report("G-1-1", "freeze_ack")

    assert (state(main), state(gift)) == ("on_hold", "on_hold")


# --- change ---


def test_a_change_after_dispatch_waits_is_applied_screened_and_sent_on() -> None:
    order = dispatched()
    version, before = order.version, now_seq()

    same = change_order("R-1", version=version, fields=NEW_STREET, actor=CRM, reason="moved")
    assert same.street == order.street
    assert request_state(order) == ("change", "waiting")
    report("R-1-1", "picked", "freeze_ack")

    order = again(order)
    assert (order.street, order.state) == ("莫干山路 1 号", "dispatched")
    assert parcels(order) == [("R-1-1", "released")]
    assert feed(order, before) == [
        "shipment.freeze_requested",
        "shipment.picking",
        "shipment.frozen",
        "order.held",
        "order.address_changed",
        "order.cleared",
        "order.dispatched",
        "shipment.released",
    ]
    changed = the_change(kind="order.address_changed")
    assert (changed.actor, changed.source, changed.new["street"]) == (
        "key:crm",
        "crm",
        "莫干山路 1 号",
    )
    told: Any = Change.objects.filter(kind="shipment.released").order_by("seq").last()
    assert told.new["ship_to"]["street"] == "莫干山路 1 号"
    assert [*Effect.objects.values_list("key", flat=True)] == ["dispatch"]
    assert ("changed", "key:crm") in acts(order)


def test_a_change_that_a_rule_stops_is_held_with_the_parcel_frozen() -> None:
    order = dispatched(coupons=[COUPON])
    change_order("R-1", version=None, fields={"ship_to": XINJIANG}, actor=CRM)

    report("R-1-1", "freeze_ack")

    assert (state(order), parcels(order)) == ("on_hold", [("R-1-1", "frozen")])
    hold = order.holds.get()
    assert hold.rule_key == "xinjiang-coupon"
    release_hold(hold.pk, actor=supervisor(), reason="fine")
    assert (state(order), parcels(order)) == ("dispatched", [("R-1-1", "released")])


def test_a_refused_change_leaves_the_order_as_it_was() -> None:
    order = dispatched()
    change_order("R-1", version=None, fields=NEW_STREET, actor=CRM)

    report("R-1-1", "freeze_refused")

    assert again(order).street == order.street
    assert (state(order), request_state(order)) == ("dispatched", ("change", "refused"))


def test_a_place_that_cannot_be_is_refused_before_the_warehouse_is_asked() -> None:
    dispatched()
    with nothing_changes(), pytest.raises(InvalidOrder):
        change_order("R-1", version=None, fields={"ship_to": {"city": "乌有市"}}, actor=CRM)
    with nothing_changes(), pytest.raises(InvalidOrder):
        change_order("R-1", version=None, fields={"ship_to": {"phone": "12"}}, actor=CRM)


def test_a_remark_never_bothers_the_warehouse() -> None:
    order = dispatched()
    before = now_seq()

    change_order("R-1", version=None, fields={"seller_remark": "VIP"}, actor=CRM)

    assert again(order).seller_remark == "VIP"
    assert not StopRequest.objects.exists()
    assert feed(order, before) == []
    report("R-1-1", "shipped")
    change_order("R-1", version=None, fields={"buyer_remark": "thanks"}, actor=CRM)
    with nothing_changes(), pytest.raises(WrongState):
        change_order("R-1", version=None, fields=NEW_STREET, actor=CRM)


def test_a_new_effect_of_a_changed_order_is_announced_and_the_old_not_again() -> None:
    order = dispatched(lines=[("TEA-1", 6, "99.00")])
    assert Change.objects.filter(kind="order.effect_caused").count() == 1
    gift_tag = {
        "key": "invoice-tag",
        "layer": "tag",
        "when": [[{"fact": "order.invoice_title", "op": "eq", "value": "ACME"}]],
        "then": [{"do": "effect", "key": "print_invoice"}],
    }
    voucher = gift_tag | {
        "key": "vip",
        "when": [[{"fact": "order.grand_total", "op": "gte", "value": 500}]],
        "then": [{"do": "effect", "key": "after_sales_voucher"}],
    }
    publish_rules(gift_tag, voucher)

    change_order("R-1", version=None, fields={"invoice_title": "ACME"}, actor=CRM)
    report("R-1-1", "freeze_ack")

    assert state(order) == "dispatched"
    caused = Change.objects.filter(kind="order.effect_caused").order_by("seq")
    assert [one.field for one in caused] == ["after_sales_voucher", "print_invoice"]


# --- cancel ---


def test_cancelling_after_dispatch_waits_for_the_warehouse() -> None:
    order = dispatched(lines=[("TEA-1", 2, "99.00")])
    before = now_seq()

    cancel_order("R-1", actor=SHOP, reason="changed mind")
    assert state(order) == "dispatched"
    assert not Change.objects.filter(kind="order.refund_requested").exists()

    report("R-1-1", "freeze_ack")

    assert (state(order), parcels(order)) == ("cancelled", [("R-1-1", "cancelled")])
    assert stock("TEA-1") == (1000, 0)
    assert feed(order, before) == [
        "shipment.freeze_requested",
        "shipment.frozen",
        "shipment.cancelled",
        "order.cancelled",
        "order.refund_requested",
    ]
    refund = the_change(kind="order.refund_requested")
    assert (refund.new["amount"], refund.actor) == ("198.00", "key:shop")
    with nothing_changes():
        cancel_order("R-1", actor=SHOP, reason="changed mind")
    assert_ledger_agrees()


def test_a_refused_cancellation_ships() -> None:
    order = dispatched()
    cancel_order("R-1", actor=SHOP, reason="changed mind")

    report("R-1-1", "freeze_refused", "picked", "shipped", "delivered")

    assert (state(order), request_state(order)) == ("delivered", ("cancel", "refused"))
    assert not Change.objects.filter(kind="order.refund_requested").exists()
    with nothing_changes(), pytest.raises(WrongState):
        cancel_order("R-1", actor=SHOP, reason="changed mind")


def test_cancelling_demands_a_reason_and_an_order() -> None:
    placed("R-1")
    with nothing_changes(), pytest.raises(ReasonMissing):
        cancel_order("R-1", actor=SHOP, reason=" ")
    with pytest.raises(NotFound):
        cancel_order("NONE", actor=SHOP, reason="why")


# --- several parcels ---


def subscription() -> Order:
    """Three batches: the first two with the warehouse, the third planned."""
    today = timezone.localdate()
    days = [(today + timedelta(days=number)).isoformat() for number in (0, 1, 40)]
    order = dispatched(lines=[("TEA-1", 3, "99.00")], deliveries=[{"date": day} for day in days])
    assert parcels(order) == [
        ("R-1-1", "released"),
        ("R-1-2", "released"),
        ("R-1-3", "planned"),
    ]
    return order


def test_all_parcels_stopped_carries_the_request_out() -> None:
    order = subscription()
    recall_order(order.pk, actor=supervisor(), reason="pause")
    assert parcels(order)[2] == ("R-1-3", "frozen")

    report("R-1-1", "freeze_ack")
    assert state(order) == "dispatched"
    report("R-1-2", "freeze_ack")
    assert state(order) == "on_hold"

    release_hold(order.holds.get().pk, actor=supervisor(), reason="go on")
    assert parcels(order) == [
        ("R-1-1", "released"),
        ("R-1-2", "released"),
        ("R-1-3", "planned"),
    ]


def test_one_parcel_too_late_lets_the_others_go_on() -> None:
    order = subscription()
    recall_order(order.pk, actor=supervisor(), reason="pause")

    report("R-1-2", "freeze_ack")
    report("R-1-1", "freeze_refused")

    assert (state(order), request_state(order)) == ("dispatched", ("hold", "refused"))
    assert parcels(order) == [
        ("R-1-1", "released"),
        ("R-1-2", "released"),
        ("R-1-3", "planned"),
    ]


def test_what_was_shipped_before_the_request_does_not_answer_it() -> None:
    order = subscription()
    report("R-1-1", "shipped", "delivered")
    recall_order(order.pk, actor=supervisor(), reason="pause")
    assert request_state(order) == ("hold", "waiting")

    report("R-1-2", "freeze_ack")

    assert state(order) == "on_hold"
    assert parcels(order) == [("R-1-1", "delivered"), ("R-1-2", "frozen"), ("R-1-3", "frozen")]


def test_planned_batches_stop_without_asking_anyone() -> None:
    order = subscription()
    for number in ("R-1-1", "R-1-2"):
        report(number, "shipped", "delivered")
    before = now_seq()

    recall_order(order.pk, actor=supervisor(), reason="pause")

    assert state(order) == "on_hold"
    assert not StopRequest.objects.exists()
    assert parcels(order)[2] == ("R-1-3", "frozen")
    assert "order.held" in feed(order, before)
    assert release_due_batches() == 0
    release_hold(order.holds.get().pk, actor=supervisor(), reason="go on")
    assert (state(order), parcels(order)[2]) == ("dispatched", ("R-1-3", "planned"))


def test_cancelling_the_rest_refunds_only_the_rest() -> None:
    order = subscription()
    for number in ("R-1-1", "R-1-2"):
        report(number, "shipped", "delivered")

    cancel_order("R-1", actor=SHOP, reason="moving away")

    assert state(order) == "cancelled"
    assert parcels(order)[2] == ("R-1-3", "cancelled")
    assert the_change(kind="order.refund_requested").new["amount"] == "99.00"
    assert stock("TEA-1") == (998, 0)
    assert_ledger_agrees()


def test_a_changed_subscription_sends_only_what_was_not_sent() -> None:
    order = subscription()
    report("R-1-1", "shipped")
    change_order("R-1", version=None, fields=NEW_STREET, actor=CRM)

    report("R-1-2", "freeze_ack")

    assert parcels(order) == [("R-1-1", "shipped"), ("R-1-2", "released"), ("R-1-3", "planned")]
    assert stock("TEA-1") == (999, 2)
    assert_ledger_agrees()


def test_a_recall_that_moves_warehouse_moves_only_what_is_left() -> None:
    make_sku("JAM", units=10)
    today = timezone.localdate()
    days = [(today + timedelta(days=number)).isoformat() for number in (0, 40)]
    order = dispatched(lines=[("JAM", 2, "9.00")], deliveries=[{"date": day} for day in days])
    report("R-1-1", "shipped", "delivered")
    recall_order(order.pk, actor=supervisor(), reason="other warehouse")
    choose_slots(order.pk, actor=supervisor(), warehouse="COLD-1")
    release_hold(order.holds.get().pk, actor=supervisor(), reason="go on")

    assert state(order) == "dispatched"
    assert (stock("JAM", "EAST-1"), stock("JAM", "COLD-1")) == ((9, 0), (10, 1))
    assert Shipment.objects.get(number="R-1-2").warehouse.code == "COLD-1"
    assert_ledger_agrees()
