"""Stories of MISSION.md walked from beginning to end through the real acts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from changefeed.models import Change
from orders.actors import user_actor
from orders.errors import AlreadyDone
from orders.lifecycle.changing import change_order
from orders.lifecycle.customers import record_return
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import claim_hold, escalate_overdue, release_hold, uphold_hold
from orders.lifecycle.placing import place_order, place_orders
from orders.lifecycle.restocking import fill_short
from orders.lifecycle.screening import rescreen_order
from orders.lifecycle.shipping import record_shipment_event
from orders.lifecycle.stock import receive_stock
from orders.models import Customer, Effect, Hold, Order, Shipment, Sku
from orders.timeline import timeline_of
from rules import live
from rules.lifecycle import import_document, publish, set_fraud_mode
from rules.starting import starter_document
from tests.factories import make_sku, make_user, order_document
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
    held,
    parcels,
    placed,
    state,
    stock,
    the_change,
    warehouse,
)

pytestmark = pytest.mark.usefixtures("world")


def test_milk_powder_is_called_for_once() -> None:
    """Three rules fired for one order, the courier came three times; now he comes once."""
    document = order_document("MILK", lines=[("MILK-900", 2, "300.00")])
    place_order(document, actor=SHOP)
    order = Order.objects.get()
    for _again in range(3):
        rescreen_order(order.pk, actor=CRM)
    place_order(document, actor=SHOP)
    assert dispatch_ready() == 1
    assert dispatch_ready() == 0
    for event in ("picked", "shipped", "delivered", "shipped", "delivered"):
        record_shipment_event("MILK-1", event, actor=WMS, waybill="SF-1")

    sent = again(order)
    assert (sent.state, sent.warehouse.code, sent.tags) == ("delivered", "COLD-1", ["VIP"])
    assert [*Shipment.objects.values_list("waybill", flat=True)] == ["SF-1"]
    assert Effect.objects.filter(key="dispatch").count() == 1
    assert Effect.objects.filter(key="after_sales_voucher").count() == 1
    for kind in ("shipment.released", "order.dispatched", "order.effect_caused"):
        assert Change.objects.filter(kind=kind).count() == 1
    matched = {match["rule"] for match in order.decisions.latest("id").outcome["matches"]}
    assert {"cold-chain", "vip", "push-to-logistics"} <= matched
    assert stock("MILK-900", "COLD-1") == (998, 0)
    assert_ledger_agrees()


def test_an_order_from_xinjiang_is_looked_at_corrected_and_sent() -> None:
    """The wrong parcel no longer leaves: a supervisor looks, the customer corrects, it goes."""
    order, hold = held("XJ")
    first, second = make_user("supervisor"), make_user("supervisor")
    claim_hold(hold.pk, user=first)
    with pytest.raises(AlreadyDone, match=first.username):
        claim_hold(hold.pk, user=second)
    Hold.objects.filter(pk=hold.pk).update(due_at=timezone.now())
    assert escalate_overdue() == 1
    assert dispatch_ready() == 0

    actor = user_actor(first)
    uphold_hold(hold.pk, actor=actor, reason="is the address right?", follow_up="correction")
    new = {"province": "浙江省", "city": "杭州市", "district": "余杭区", "street": "文一西路 1 号"}
    change_order("XJ", version=again(order).version, fields={"ship_to": new}, actor=CRM)
    for event in ("picked", "shipped", "delivered"):
        record_shipment_event("XJ-1", event, actor=WMS, waybill="SF-2")

    assert state(order) == "delivered"
    assert [act for act, _actor in acts(order)] == [
        "escalated",
        "hold_upheld",
        "changed",
        "dispatched",
        "picked",
        "shipped",
        "delivered",
    ]
    assert timeline_of(order)[0].act == "received"
    released = the_change(kind="shipment.released")
    assert released.new["ship_to"]["city"] == "杭州市"
    versions = Change.objects.filter(subject_id="XJ").order_by("seq")
    numbers = [*versions.values_list("subject_version", flat=True)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == again(order).version


def test_a_livestream_sells_what_is_there_and_the_rest_waits_for_goods() -> None:
    """A livestream coupon sold 127 orders that could not ship; now they wait, first paid first."""
    make_sku("STAR", units=3, warehouses=("EAST-1",))
    now = timezone.now()
    batch = [
        order_document(
            f"LIVE-{number}",
            lines=[("STAR", 1, "59.00")],
            livestream_room="austin-1111",
            paid_at=(now - timedelta(minutes=5) + timedelta(seconds=number)).isoformat(),
        )
        for number in range(5)
    ]
    answers = place_orders(batch, actor=SHOP)
    assert [one.state for one in answers] == ["ready"] * 3 + ["on_hold"] * 2
    assert dispatch_ready() == 3
    shipment = Shipment.objects.filter(order__number="LIVE-0").get()
    assert (shipment.lane, again(shipment.order).packaging.code, shipment.print_priority) == (
        "livestream",
        "live-box",
        1,
    )

    receive_stock(Sku.objects.get(code="STAR"), warehouse("EAST-1"), 1, actor=SHOP)
    assert fill_short() == 1

    states = Order.objects.order_by("number").values_list("state", flat=True)
    assert [*states] == ["dispatched"] * 4 + ["on_hold"]
    assert stock("STAR") == (4, 4)
    assert_ledger_agrees()


def test_the_daily_meeting_changes_a_rule_and_only_new_orders_feel_it() -> None:
    """Operations add a rule after the meeting; decisions keep the version they were made by."""
    before = placed("OLD", ship_to={"province": "浙江省"})
    document = starter_document()
    document["rules"].append(
        {
            "key": "zhejiang-watch",
            "name": "浙江观察",
            "layer": "intercept",
            "priority": 5,
            "when": [[{"fact": "ship_to.province", "op": "eq", "value": "浙江省"}]],
            "then": [{"do": "hold", "reason": "会后观察", "risk": "low"}],
            "on_missing": "no_match",
            "status": "live",
            "valid_from": None,
            "valid_until": None,
        }
    )
    publish(import_document(document, "system", note="meeting"), "system", "meeting")
    live.forget()
    after = placed("NEW")

    assert (state(before), state(after)) == ("ready", "on_hold")
    assert (before.decisions.get().ruleset_version, after.decisions.get().ruleset_version) == (1, 2)
    assert after.holds.get().reason_text == "会后观察"


def test_a_returner_with_bad_marks_is_stopped_and_an_honest_one_is_not() -> None:
    """Grade × returns × sign-for rate behind one switch: all three stop, none of them alone."""
    set_fraud_mode(True, "user:operations")
    live.forget()
    for name, returns, rate in (("bad", 2, "0.500"), ("slow", 0, "0.500"), ("far", 2, "0.950")):
        first = placed(f"{name}-1", customer={"external_id": name, "crm_grade": "D"})
        for number in range(returns):
            record_return(
                first.customer_id,
                reference=f"{name}-{number}",
                order_number=first.number,
                at=timezone.now() - timedelta(days=1),
                actor=SHOP,
            )
        Customer.objects.filter(external_id=name).update(sign_for_rate=Decimal(rate))
        second = placed(
            f"{name}-2",
            customer={"external_id": name, "crm_grade": "D"},
            placed_at=timezone.now().isoformat(),
            paid_at=timezone.now().isoformat(),
        )
        held_by = [*second.holds.values_list("rule_key", flat=True)]
        assert held_by == (["fraud-grade-returns-signing"] if name == "bad" else [])


def test_a_changed_address_reaches_the_warehouse_that_has_the_parcel_already() -> None:
    """What the CRM changes reaches the WMS: it stops, packs the new label, and ships once."""
    order = placed("MOVE", coupons=[COUPON])
    dispatch_ready()
    record_shipment_event("MOVE-1", "picked", actor=WMS)

    change_order("MOVE", version=None, fields={"ship_to": XINJIANG}, actor=CRM, reason="moved")
    record_shipment_event("MOVE-1", "freeze_ack", actor=WMS)
    hold = order.holds.get()
    assert (state(order), hold.rule_key) == ("on_hold", "xinjiang-coupon")
    release_hold(hold.pk, actor=user_actor(make_user("supervisor")), reason="really moved")
    for event in ("picked", "shipped", "delivered"):
        record_shipment_event("MOVE-1", event, actor=WMS)

    assert (state(order), parcels(order)) == ("delivered", [("MOVE-1", "delivered")])
    told = [kind for kind in feed(order) if kind.startswith("shipment.")]
    assert told == [
        "shipment.released",
        "shipment.picking",
        "shipment.freeze_requested",
        "shipment.frozen",
        "shipment.released",
        "shipment.picking",
        "shipment.shipped",
        "shipment.delivered",
    ]
    last = Change.objects.filter(kind="shipment.released").order_by("seq").last()
    assert last is not None
    assert last.new is not None
    assert last.new["ship_to"]["city"] == "乌鲁木齐市"
    assert stock("TEA-1") == (999, 0)
    assert_ledger_agrees()
