"""A machine whose own clock is wrong: times, promises and dates follow the database."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import escalate_overdue, release_hold
from orders.lifecycle.placing import place_order
from orders.models import Hold, Order
from tests.factories import make_user, order_document
from tests.orders.acting import SHOP


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_hour_of_wrong_clock_changes_nothing(
    world: None, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    from orders.actors import user_actor

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
