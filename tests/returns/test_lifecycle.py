"""Every act on a return: what it changes, what it tells the feed, and when it refuses."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from changefeed.models import Change
from orders.errors import AlreadyDone, DifferentBody, NotFound, ReasonMissing, WrongState
from orders.models import ReturnRecord, Stock, StockEntry, TimelineEntry
from orders.status import OrderState
from returns.errors import InvalidReturn
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
from returns.models import ReturnRequest
from tests.returns.factories import SHOP, agent_actor, make_delivered, make_return

pytestmark = pytest.mark.usefixtures("world")

TWO_LINES = [("TEA-1", 3, "100.00"), ("LENS-85", 1, "300.00")]


def kinds() -> list[str]:
    """Kinds of all feed rows about returns, oldest first."""
    changes = Change.objects.filter(subject_kind="return").order_by("seq")
    return list(changes.values_list("kind", flat=True))


def on_hand(sku: str, warehouse: str = "EAST-1") -> int:
    return Stock.objects.get(sku__code=sku, warehouse__code=warehouse).on_hand


def test_a_request_is_recorded_priced_and_told():
    order = make_delivered(
        lines=TWO_LINES, coupons=[{"code": "X", "type": "x", "discount": "60.00"}]
    )
    agent = agent_actor()

    request = make_return(order, (1, 2), (2, 1), actor=agent, reason=" too small ")

    assert (request.state, request.kind, request.reason) == (
        "requested",
        "return_refund",
        "too small",
    )
    assert request.refund_amount == Decimal("450.00")  # (600 − 60) · (200 + 300) / 600
    assert request.customer == order.customer
    change = Change.objects.get(subject_kind="return")
    assert (change.kind, change.subject_id, change.subject_version) == (
        "return.requested",
        request.number,
        1,
    )
    assert change.actor == agent.name
    document: Any = change.new
    assert document["order"] == order.number
    assert [(line["sku"], line["quantity"]) for line in document["lines"]] == [
        ("TEA-1", 2),
        ("LENS-85", 1),
    ]
    assert TimelineEntry.objects.get(act="return_requested").order == order
    assert not ReturnRecord.objects.exists(), "it counts once it is approved"


@pytest.mark.parametrize(
    ("lines", "kind", "field", "code"),
    [
        ([], "return_refund", "lines", "too_short"),
        ([(1, 4)], "return_refund", "lines[0].quantity", "too_many"),
        ([(1, 0)], "return_refund", "lines[0].quantity", "too_many"),
        ([(1, -1)], "return_refund", "lines[0].quantity", "too_many"),
        ([(9, 1)], "return_refund", "lines[0].position", "unknown_line"),
        ([(1, 1), (1, 1)], "return_refund", "lines[1].position", "repeated_line"),
        ([(1, 1)], "gift", "kind", "unknown_kind"),
    ],
)
def test_a_wrong_request_is_refused_with_its_field(lines, kind, field, code):
    order = make_delivered(lines=TWO_LINES)
    with pytest.raises(InvalidReturn) as caught:
        request_return(
            order.number,
            [RequestedLine(*line) for line in lines],
            kind=kind,
            reason="x",
            actor=SHOP,
        )
    assert [(error.field, error.code) for error in caught.value.errors] == [(field, code)]
    assert not ReturnRequest.objects.exists()
    assert kinds() == []


def test_only_delivered_goods_of_a_known_order_with_a_reason_are_taken():
    shipped = make_delivered(state=OrderState.SHIPPED)
    with pytest.raises(InvalidReturn) as caught:
        make_return(shipped)
    assert [error.code for error in caught.value.errors] == ["not_delivered"]
    with pytest.raises(NotFound):
        request_return("NONE", [RequestedLine(1, 1)], kind="exchange", reason="x", actor=SHOP)
    with pytest.raises(ReasonMissing):
        make_return(make_delivered(), reason="  ")
    assert not ReturnRequest.objects.exists()


def test_an_exchange_may_be_asked_for_longer_than_a_refund(settings):
    order = make_delivered(delivered_at=timezone.now() - timedelta(days=9))
    with pytest.raises(InvalidReturn) as caught:
        make_return(order)
    assert [error.code for error in caught.value.errors] == ["too_late"]
    assert make_return(order, kind="exchange").refund_amount == 0
    settings.RETURN_DAYS = 30
    withdraw_return(ReturnRequest.objects.get().number, actor=SHOP)
    assert make_return(order).refund_amount == Decimal("99.00")


def test_units_in_live_returns_cannot_be_asked_back_twice_but_refused_ones_can():
    order = make_delivered(lines=TWO_LINES)
    first = make_return(order, (1, 2))
    with pytest.raises(InvalidReturn):
        make_return(order, (1, 2))
    refuse_return(first.number, actor=agent_actor(), reason="worn")

    second = make_return(order, (1, 3))

    assert second.refund_amount == Decimal("300.00")


def test_the_same_request_id_is_the_same_request():
    order, other = make_delivered(lines=TWO_LINES), make_delivered()
    first = make_return(order, actor=SHOP, request_id="r-1")

    assert make_return(order, actor=SHOP, request_id="r-1") == first
    with pytest.raises(DifferentBody):
        make_return(order, (1, 2), actor=SHOP, request_id="r-1")
    with pytest.raises(DifferentBody):
        make_return(other, actor=SHOP, request_id="r-1")
    assert ReturnRequest.objects.count() == 1
    assert kinds() == ["return.requested"]


def test_approving_counts_for_the_customer_and_waits_for_the_goods():
    request, agent = make_return(), agent_actor()

    approve_return(request.number, actor=agent, reason="fine")

    request = ReturnRequest.objects.get()
    assert (request.state, request.decided_by, request.version) == ("approved", agent.name, 2)
    record = ReturnRecord.objects.get()
    assert (record.reference, record.customer) == (request.number, request.customer)
    assert record.order_number == request.order.number
    assert kinds() == ["return.requested", "return.approved"]


def test_approving_a_refund_only_asks_for_the_money_at_once():
    request = make_return(kind="refund_only")

    approve_return(request.number, actor=agent_actor())

    assert kinds() == ["return.requested", "return.approved", "return.refund_requested"]
    refund = Change.objects.get(kind="return.refund_requested")
    assert refund.new == {"order": request.order.number, "amount": "99.00", "currency": "CNY"}
    with pytest.raises(WrongState):
        receive_goods(request.number, [], warehouse="EAST-1", actor=SHOP)
    with pytest.raises(WrongState):
        withdraw_return(request.number, actor=SHOP)
    assert close_return(request.number, actor=SHOP).state == "closed"


def test_refusing_needs_a_reason_and_counts_for_nobody():
    request = make_return()
    with pytest.raises(ReasonMissing):
        refuse_return(request.number, actor=agent_actor(), reason=" ")

    refuse_return(request.number, actor=agent_actor(), reason="worn")

    request = ReturnRequest.objects.get()
    assert (request.state, request.decision_reason) == ("refused", "worn")
    assert not ReturnRecord.objects.exists()
    assert kinds() == ["return.requested", "return.refused"]


def test_a_second_decision_is_told_who_was_first():
    request, first = make_return(), agent_actor()
    approve_return(request.number, actor=first)
    for act in (approve_return, refuse_return):
        with pytest.raises(AlreadyDone, match=first.name.removeprefix("user:")):
            act(request.number, actor=agent_actor(), reason="no")
    assert ReturnRequest.objects.get().decided_by == first.name


def test_received_goods_go_back_to_stock_when_they_are_good():
    order = make_delivered(lines=TWO_LINES)
    request = make_return(order, (1, 3), (2, 1))
    approve_return(request.number, actor=agent_actor())
    before = on_hand("TEA-1"), on_hand("LENS-85")

    receive_goods(
        request.number,
        [InspectedLine(1, 1, 1), InspectedLine(2, 0, 1)],
        warehouse="EAST-1",
        actor=agent_actor("warehouse"),
    )

    request = ReturnRequest.objects.get()
    assert (request.state, request.warehouse.code) == ("received", "EAST-1")
    assert request.refund_amount == Decimal("500.00"), "one unit of tea did not come"
    assert (on_hand("TEA-1"), on_hand("LENS-85")) == (before[0] + 1, before[1])
    entry = StockEntry.objects.get(move="return")
    assert (entry.order_number, entry.on_hand_delta) == (order.number, 1)
    assert kinds() == [
        "return.requested",
        "return.approved",
        "return.refund_amount_changed",
        "return.goods_received",
        "return.refund_requested",
    ]
    received: Any = Change.objects.get(kind="return.goods_received").new
    assert [line["good_units"] for line in received["lines"]] == [1, 0]
    due: Any = Change.objects.get(kind="return.refund_requested").new
    assert due["amount"] == "500.00"
    make_return(order, (1, 1))  # the unit that did not come may be asked back again


def test_an_exchange_brings_goods_but_no_money():
    request = make_return(kind="exchange")
    approve_return(request.number, actor=agent_actor())
    receive_goods(request.number, [InspectedLine(1, 1, 0)], warehouse="EAST-1", actor=SHOP)
    close_return(request.number, actor=SHOP)
    assert kinds() == [
        "return.requested",
        "return.approved",
        "return.goods_received",
        "return.closed",
    ]


@pytest.mark.parametrize(
    ("inspected", "warehouse", "code"),
    [
        ([(1, 3, 1)], "EAST-1", "too_many"),
        ([(1, -1, 1)], "EAST-1", "too_many"),
        ([], "EAST-1", "lines_missing"),
        ([(1, 1, 0), (1, 1, 0)], "EAST-1", "unknown_line"),
        ([(1, 1, 0), (7, 1, 0)], "EAST-1", "unknown_line"),
        ([(1, 1, 0)], "NOWHERE", "unknown_warehouse"),
    ],
)
def test_a_wrong_inspection_changes_nothing(inspected, warehouse, code):
    request = make_return(make_delivered(lines=TWO_LINES), (1, 3))
    approve_return(request.number, actor=agent_actor())
    before = on_hand("TEA-1"), kinds()
    with pytest.raises(InvalidReturn) as caught:
        receive_goods(
            request.number,
            [InspectedLine(*line) for line in inspected],
            warehouse=warehouse,
            actor=SHOP,
        )
    assert [error.code for error in caught.value.errors] == [code]
    assert ReturnRequest.objects.get().state == "approved"
    assert (on_hand("TEA-1"), kinds()) == before


def test_goods_are_received_once_and_only_when_expected():
    request = make_return()
    with pytest.raises(WrongState):
        receive_goods(request.number, [InspectedLine(1, 1, 0)], warehouse="EAST-1", actor=SHOP)
    approve_return(request.number, actor=agent_actor())
    receive_goods(request.number, [InspectedLine(1, 1, 0)], warehouse="EAST-1", actor=SHOP)
    before = on_hand("TEA-1")
    with pytest.raises(AlreadyDone, match="shop"):
        receive_goods(request.number, [InspectedLine(1, 1, 0)], warehouse="EAST-1", actor=SHOP)
    assert on_hand("TEA-1") == before


@pytest.mark.parametrize("approved", [False, True])
def test_withdrawing_frees_the_units_and_uncounts_the_return(approved):
    order = make_delivered()
    request = make_return(order)
    if approved:
        approve_return(request.number, actor=agent_actor())

    withdraw_return(request.number, actor=SHOP)

    assert ReturnRequest.objects.get().state == "withdrawn"
    assert not ReturnRecord.objects.exists()
    assert kinds()[-1] == "return.withdrawn"
    make_return(order)


def test_final_returns_stay_as_they_are():
    request = make_return()
    refuse_return(request.number, actor=agent_actor(), reason="worn")
    before = kinds()
    for act in (approve_return, withdraw_return, close_return):
        with pytest.raises(AlreadyDone):
            act(request.number, actor=SHOP)
    with pytest.raises(NotFound):
        approve_return("RT-NONE", actor=SHOP)
    assert kinds() == before


def test_a_return_that_waits_cannot_be_closed():
    request = make_return()
    with pytest.raises(WrongState):
        close_return(request.number, actor=SHOP)
    approve_return(request.number, actor=agent_actor())
    with pytest.raises(WrongState):
        close_return(request.number, actor=SHOP)
    assert ReturnRequest.objects.get().state == "approved"


def test_approved_returns_are_counted_in_the_next_orders_facts():
    from orders.lifecycle.placing import place_order
    from tests.factories import order_document

    order = make_delivered(customer={"external_id": "C-R"})
    approve_return(make_return(order).number, actor=agent_actor())
    later = (timezone.now() + timedelta(seconds=1)).isoformat()
    placed = place_order(
        order_document(customer={"external_id": "C-R"}, placed_at=later, paid_at=later), actor=SHOP
    )
    from orders.models import ScreeningDecision

    facts = ScreeningDecision.objects.get(order__number=placed.number).facts
    assert str(facts["customer.returns_30d"]) == "1"
