"""What real acts record looks like the examples of the catalogue, member for member."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from changefeed import kinds, lifecycle
from changefeed.models import Change, FeedLane
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.customers import change_contact
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import escalate_overdue, hold_order, release_hold, uphold_hold
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.lifecycle.splitting import merge_orders
from orders.models import Courier, Hold, Order, OrderLine, Shipment
from returns.lifecycle import (
    InspectedLine,
    RequestedLine,
    approve_return,
    close_return,
    receive_goods,
    refuse_return,
    request_return,
    withdraw_return,
)
from rules.feed_kinds import NEW_RULE, RULE
from rules.lifecycle import drafts, lists, rules, rulesets, schedules, snoozes, switches
from rules.list_changes import NewEntry
from rules.models import RuleSet
from rules.starting import starter_document
from tests.changefeed.admin_pages import park
from tests.changefeed.rows import make_endpoint
from tests.orders.acting import CRM, SHOP, TOO_MANY, WMS, again, held, placed, supervisor, warehouse

pytestmark = pytest.mark.usefixtures("world")


def is_alike(example: Any, real: Any) -> bool:
    """Whether two JSON values have the same members at every depth and the same sorts of values.

    Null is like any value that is not an object or a list.
    """
    if isinstance(example, dict) or isinstance(real, dict):
        return (
            isinstance(example, dict)
            and isinstance(real, dict)
            and example.keys() == real.keys()
            and all(is_alike(value, real[name]) for name, value in example.items())
        )
    if isinstance(example, list) or isinstance(real, list):
        return (
            isinstance(example, list)
            and isinstance(real, list)
            and all(is_alike(example[0], one) for one in real)
        )
    return example is None or real is None or type(example) is type(real)


def fits(example: kinds.Example, change: Change) -> bool:
    if change.kind == "ruleset.reordered":
        # Its members are the keys of the rules.
        old, new = change.old or {}, change.new or {}
        return {type(one) for one in (*old.values(), *new.values())} == {int}
    return is_alike(example.old, change.old) and is_alike(example.new, change.new)


def is_known(change: Change) -> bool:
    kind = next((one for one in kinds.known() if one.name == change.kind), None)
    return (
        kind is not None
        and kind.subject in ("", change.subject_kind)
        and any(
            example.named_in(change.field) is not None and fits(example, change)
            for example in kind.examples
        )
    )


def unlike_the_catalogue() -> list[str]:
    """The recorded changes that no example of their kind fits."""
    return [
        f"{change.kind} {change.field} {change.old} {change.new}"
        for change in Change.objects.order_by("seq")
        if not is_known(change)
    ]


def recorded() -> set[str]:
    return set(Change.objects.values_list("kind", flat=True))


def test_a_life_from_order_to_refund() -> None:
    """Place, hold, release, edit, dispatch, pick, ship, deliver, return, refund."""
    actor = supervisor()
    order, hold = held("LIFE", lines=[("MILK-900", 2, "300.00")])
    Hold.objects.filter(pk=hold.pk).update(due_at=timezone.now())
    escalate_overdue()
    hold_order(order.pk, actor=actor, reason="is it a reseller?")
    fields = {"invoice_title": "单闸", "delivery_slot": "18:00-20:00"}
    recipient = {"name": "周岚", "phone": "+8613900000000"}
    change_order(
        "LIFE",
        version=None,
        fields={**fields, "ship_to": {**recipient, "street": "解放北路 2 号"}},
        actor=CRM,
    )
    for one in Hold.objects.filter(order=order, state="open"):
        release_hold(one.pk, actor=actor, reason="asked by phone")
    change_contact(order.customer.external_id, fields={"name": "周岚"}, actor=CRM, version=None)
    dispatch_ready()
    for event in ("picked", "shipped", "delivered"):
        record_shipment_event("LIFE-1", event, actor=WMS, waybill="SF-1")
    request = request_return(
        "LIFE", [RequestedLine(1, 2)], kind="return_refund", reason="sour", actor=SHOP
    )
    approve_return(request.number, actor=actor)
    receive_goods(request.number, [InspectedLine(1, 1, 0)], warehouse="COLD-1", actor=actor)
    close_return(request.number, actor=actor)

    assert unlike_the_catalogue() == []
    assert {
        *("order.received", "order.cleared", "order.dispatched", "order.shipped"),
        *("order.delivered", "order.address_changed", "order.recipient_changed"),
        *("order.invoice_title_changed", "order.delivery_slot_changed", "order.routing_changed"),
        *("order.effect_caused", "hold.opened", "hold.escalated", "hold.released"),
        *("shipment.released", "shipment.picking", "shipment.shipped", "shipment.delivered"),
        *("customer.contact_changed", "return.requested", "return.approved"),
        *("return.goods_received", "return.refund_amount_changed", "return.refund_requested"),
        "return.closed",
    } <= recorded()


def test_what_goes_another_way() -> None:
    """Stopped, refused, merged, planned for later, cancelled, upheld, withdrawn."""
    actor = supervisor()
    _order, hold = held("UPHELD")
    uphold_hold(hold.pk, actor=actor, reason="a reseller", follow_up="cancel")
    paid = placed("BACK")
    Order.objects.filter(pk=paid.pk).update(state="ready")
    Order.objects.filter(pk=paid.pk).update(state="received")

    stopped, late = placed("STOPPED"), placed("LATE")
    dispatch_ready()
    recall_order(stopped.pk, actor=actor, reason="address")
    record_shipment_event("STOPPED-1", "freeze_ack", actor=WMS)
    cancel_order("STOPPED", actor=SHOP, reason="changed their mind")
    recall_order(late.pk, actor=actor, reason="address")
    record_shipment_event("LATE-1", "shipped", actor=WMS, waybill="SF-9")
    record_shipment_event("LATE-1", "freeze_refused", actor=WMS)

    together = {"customer": {"external_id": "C-same"}, "ship_to": {"street": "同街 1 号"}}
    placed("MAIN", **together)
    placed("OTHER", coupons=TOO_MANY, **together)
    merge_orders("MAIN", ["OTHER"], actor=SHOP)
    OrderLine.objects.filter(order__number="MAIN").update(quantity=2)

    east = warehouse("EAST-1")
    batch = Shipment.objects.create(
        order=again(paid), number="LATER-1", state="planned", warehouse=east
    )
    Shipment.objects.filter(pk=batch.pk).update(deliver_on=timezone.now().date())
    Shipment.objects.filter(pk=batch.pk).update(courier=Courier.objects.get(code="SF"))

    for number, act in (("R1", refuse_return), ("R2", withdraw_return)):
        placed(number)
        dispatch_ready()
        for event in ("picked", "shipped", "delivered"):
            record_shipment_event(f"{number}-1", event, actor=WMS, waybill="SF-2")
        asked = request_return(
            number, [RequestedLine(1, 1)], kind="exchange", reason="too small", actor=SHOP
        )
        act(asked.number, actor=actor, reason="worn")

    assert unlike_the_catalogue() == []
    assert {
        *(
            "order.held",
            "order.waiting",
            "order.cancelled",
            "order.refund_requested",
            "order.lines_changed",
        ),
        *("hold.upheld", "hold.inherited", "shipment.frozen", "shipment.cancelled"),
        *("shipment.freeze_requested", "shipment.freeze_refused", "shipment.planned"),
        *("shipment.rescheduled", "shipment.rerouted", "return.refused", "return.withdrawn"),
    } <= recorded()


def test_a_rule_set_from_draft_to_rollback() -> None:
    live = RuleSet.objects.get(state="live")
    discarded = drafts.open_draft("user:a")
    drafts.discard_draft(discarded, "user:a")
    drafts.import_document(starter_document(), "user:a")
    draft = drafts.open_draft("user:a")
    rules.save_rule(draft, {**RULE, "key": "another"}, "user:a")
    rules.save_rule(draft, {**NEW_RULE, "key": "another"}, "user:a", replaces="another")
    rules.set_rule_status(draft, "another", "disabled", "user:a")
    keys = list(draft.rules.filter(layer="intercept").values_list("key", flat=True))
    rules.reorder_rules(draft, "intercept", keys[::-1], "user:a")
    rules.delete_rule(draft, "another", "user:a")
    at = timezone.now() + timedelta(days=1)
    schedules.schedule(draft, at, "user:b")
    schedules.schedule(draft, at + timedelta(days=1), "user:b")
    schedules.unschedule(draft, "user:b")
    rulesets.start_shadow(draft, "user:a")
    rulesets.promote(draft, "user:b")
    rulesets.end_shadow(rulesets.start_shadow(drafts.open_draft("user:a"), "user:a"), "user:a")
    rulesets.publish(drafts.open_draft("user:a"), "user:b")
    rulesets.rollback_to(live, "user:a")
    switches.set_fraud_mode(True, "user:a")

    assert unlike_the_catalogue() == []
    wanted = {kind.name for kind in kinds.matching(["ruleset.*"])}
    assert wanted - recorded() == set()


def test_lists_snoozes_and_a_skip() -> None:
    made = lists.create_list("resellers", "Resellers", "user:a")
    lists.add_list_entries(made, ["C-1", "C-2"], "user:a")
    lists.change_list_entry(made.entries.earliest("pk"), "user:a", reason="seen", expires_at=None)
    lists.replace_list_entries(made, [NewEntry("C-3")], "user:a")
    lists.restore_list_entries(made, [NewEntry("C-1")], "user:a")
    lists.remove_list_entry(made.entries.earliest("pk"), "user:a")
    until = timezone.now() + timedelta(days=3)
    snooze = snoozes.snooze_rule("xinjiang-coupon", "C-1", until, "a test", "user:a")
    snoozes.end_snooze(snooze, "user:a")
    make_endpoint(kinds=["order.*"])
    placed("SKIPPED")
    lifecycle.skip_change(park(FeedLane.objects.get()), actor="user:a", reason="entered by hand")

    assert unlike_the_catalogue() == []
    wanted = {kind.name for kind in kinds.matching(["list.*", "snooze.*", "lane.*"])}
    assert wanted - recorded() == set()


@pytest.mark.parametrize(
    ("example", "real"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": None}),
        ({"a": "1"}, {"a": 1}),
        ([{"a": 1}], [{"a": 1}, {"b": 1}]),
        (None, {"a": 1}),
    ],
)
def test_another_shape_is_noticed(example: Any, real: Any) -> None:
    assert not is_alike(example, real)
