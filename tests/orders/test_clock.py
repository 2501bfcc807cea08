"""A machine whose own clock is wrong: times, promises and dates follow the database."""

from datetime import datetime, timedelta

import pytest
from django.db import models
from django.utils import timezone

from orders.actors import user_actor
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import escalate_overdue, release_hold
from orders.lifecycle.placing import place_order
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Hold, Order
from returns.lifecycle import RequestedLine, approve_return, request_return
from returns.models import ReturnRequest
from tests.factories import make_user, order_document
from tests.orders.acting import SHOP, TABLES, WMS, placed


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_hour_of_wrong_clock_changes_nothing(
    world: None, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    true_now = timezone.now
    clean = order_document("K-1")
    held = order_document(
        "K-2",
        lines=[("TEA-1", 1, "299.00")],
        coupons=[{"code": "c", "type": "满299减100", "discount": "100.00"}],
        ship_to={"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"},
    )

    def wrong_now() -> datetime:
        return true_now() + timedelta(hours=hours)

    monkeypatch.setattr("django.utils.timezone.now", wrong_now)
    assert [place_order(one, actor=SHOP).state for one in (clean, held)] == ["ready", "on_hold"]
    assert escalate_overdue() == 0
    assert dispatch_ready() == 1
    hold = Hold.objects.get()
    release_hold(hold.pk, actor=user_actor(make_user("supervisor")), reason="checked")
    monkeypatch.undo()

    hold.refresh_from_db()
    orders = list(Order.objects.order_by("number"))
    moments = [hold.opened_at, hold.resolved_at, hold.due_at - timedelta(hours=2)]
    moments += [moment for one in orders for moment in (one.received_at, one.dispatched_at)]
    assert [one.state for one in orders] == ["dispatched", "dispatched"]
    assert max(abs(true_now() - moment) for moment in moments) < timedelta(minutes=5)


TOLD_BY_THE_SHOP = {"placed_at", "paid_at", "registered_at"}
HOURS_AHEAD = {"due_at": timedelta(hours=2)}


@pytest.mark.parametrize("hours", [-1, 1])
def test_no_act_after_dispatch_stamps_by_the_machine(
    world: None, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    true_now = timezone.now
    person = user_actor(make_user("supervisor"))
    orders = [placed(f"K-{number}") for number in (1, 2, 3)]
    monkeypatch.setattr("django.utils.timezone.now", lambda: true_now() + timedelta(hours=hours))
    dispatch_ready()
    recall_order(orders[0].pk, actor=person, reason="customer called")
    record_shipment_event("K-1-1", "freeze_ack", actor=WMS)
    release_hold(Hold.objects.get().pk, actor=person, reason="customer wants it")
    recall_order(orders[1].pk, actor=person, reason="customer called")
    record_shipment_event("K-2-1", "freeze_refused", actor=WMS)
    cancel_order("K-3", actor=person, reason="customer called")
    for event in ("picked", "shipped", "delivered"):
        record_shipment_event("K-1-1", event, actor=WMS)
    lines = [RequestedLine(1, 1)]
    wish = request_return("K-1", lines, kind="return_refund", reason="too small", actor=person)
    approve_return(wish.number, actor=person)
    monkeypatch.undo()

    stamps = [
        (f"{model.__name__}.{field.name}", moment - HOURS_AHEAD.get(field.name, timedelta(0)))
        for model in (*TABLES, ReturnRequest)
        for field in model._meta.concrete_fields
        if isinstance(field, models.DateTimeField) and field.name not in TOLD_BY_THE_SHOP
        for moment in model.objects.exclude(**{field.name: None}).values_list(field.name, flat=True)
    ]
    now = true_now()
    wrong = [name for name, moment in stamps if abs(now - moment) > timedelta(minutes=5)]
    assert wrong == []
    named = {name for name, _moment in stamps}
    assert named >= {
        "StopRequest.requested_at",
        "Shipment.delivered_at",
        "ReturnRequest.decided_at",
    }
