"""What screening could not finish with is tried again, ever more rarely, until it can."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orders.lifecycle.placing import place_order
from orders.lifecycle.rescreening import rescreen_waiting
from orders.models import Hold, Order, ScreeningDecision
from orders.status import OrderState
from rules import live
from rules.errors import RulesUnavailable
from tests.factories import order_document
from tests.orders.acting import SHOP, XINJIANG

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(world: None, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The rules cannot be read until the patch is undone."""

    def fail(**_within: object) -> None:
        raise RulesUnavailable(is_late=False)

    monkeypatch.setattr(live, "current", fail)
    return monkeypatch


def held(number: str = "N-1", **changes: object) -> Order:
    place_order(order_document(number, **changes), actor=SHOP)
    order = Order.objects.get(number=number)
    assert list(order.holds.values_list("owner", "state")) == [("screening", "open")]
    return order


def long_ago(order: Order, opened: timedelta, tried: timedelta) -> None:
    now = timezone.now()
    order.holds.update(opened_at=now - opened)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_screeningdecision SET at = %s WHERE order_id = %s",
            (now - tried, order.pk),
        )


def test_an_order_goes_on_once_the_rules_can_be_read(broken):
    order = held()
    long_ago(order, timedelta(minutes=1), timedelta(minutes=1))
    broken.undo()
    live.forget()

    assert rescreen_waiting() == 1

    order.refresh_from_db()
    assert order.state in (OrderState.READY, OrderState.DISPATCHED)
    assert not Hold.objects.open().exists()
    assert rescreen_waiting() == 0


def test_what_a_rule_stops_is_then_held_by_the_rule(broken):
    coupon = [{"code": "M", "type": "满299减100", "discount": "100.00"}]
    order = held(ship_to=XINJIANG, coupons=coupon, lines=[("TEA-1", 4, "99.00")])
    long_ago(order, timedelta(minutes=1), timedelta(minutes=1))
    broken.undo()
    live.forget()

    assert rescreen_waiting() == 1

    order.refresh_from_db()
    assert order.state == OrderState.ON_HOLD
    open_holds = Hold.objects.open().values_list("owner", "rule_key")
    assert list(open_holds) == [("rule", "xinjiang-coupon")]


@pytest.mark.parametrize(
    ("opened", "tried", "is_due"),
    [
        (timedelta(seconds=40), timedelta(seconds=20), False),
        (timedelta(seconds=40), timedelta(seconds=31), True),
        (timedelta(minutes=10), timedelta(minutes=4), False),
        (timedelta(minutes=10), timedelta(minutes=6), True),
        (timedelta(days=2), timedelta(minutes=55), False),
        (timedelta(days=2), timedelta(minutes=61), True),
    ],
)
def test_lasting_trouble_is_tried_ever_more_rarely(broken, opened, tried, is_due):
    order = held()
    long_ago(order, opened, tried)

    assert rescreen_waiting() == 0

    assert ScreeningDecision.objects.filter(order=order).count() == 1 + is_due
    assert list(order.holds.values_list("state", flat=True)) == ["open"]


def test_orders_that_rules_hold_are_left_alone(world: None):
    coupon = [{"code": "M", "type": "满299减100", "discount": "100.00"}]
    place_order(
        order_document("N-1", ship_to=XINJIANG, coupons=coupon, lines=[("TEA-1", 4, "99.00")]),
        actor=SHOP,
    )
    order = Order.objects.get()
    long_ago(order, timedelta(hours=3), timedelta(hours=3))

    assert rescreen_waiting() == 0

    assert ScreeningDecision.objects.count() == 1
