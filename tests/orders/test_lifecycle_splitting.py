"""Split orders and merged orders: money, stock and holds are shared out, nothing is lost."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from changefeed.models import Change
from orders.errors import NotFound, WrongState
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import hold_order, release_hold
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.restocking import fill_short
from orders.lifecycle.screening import rescreen_order
from orders.lifecycle.shipping import record_shipment_event
from orders.lifecycle.splitting import merge_orders, split_order
from orders.lifecycle.stock import receive_stock
from orders.models import Effect, Order, Shipment, ShipmentLine, Sku, Waiver
from tests.factories import make_sku
from tests.orders.acting import (
    CRM,
    SHOP,
    TOO_MANY,
    WMS,
    XINJIANG,
    acts,
    again,
    assert_ledger_agrees,
    feed,
    held,
    hold_rule,
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

LINES = [("TEA-1", 4, "99.00"), ("LENS-85", 1, "300.00")]
PARTS = [[(1, 3)], [(1, 1), (2, 1)]]


def split(order: Order, parts: Any = PARTS) -> list[Order]:
    return split_order(order.number, parts, actor=SHOP)


def children(order: Order) -> list[tuple[str, str]]:
    found = Order.objects.filter(parent_number=order.number).order_by("id")
    return list(found.values_list("number", "state"))


def refunded(refunds: Iterable[Any]) -> Decimal:
    return sum((Decimal(one.new["amount"]) for one in refunds), Decimal(0))


def report(number: str, *events: str) -> None:
    for event in events:
        record_shipment_event(number, event, actor=WMS)


# --- split ---


def test_a_split_shares_out_money_stock_and_address_and_each_child_leaves() -> None:
    coupon = {"code": "C", "type": "店铺券", "discount": "10.00"}
    order = placed("S", lines=LINES, coupons=[coupon], shipping_total="7.00")
    assert (order.goods_total, order.grand_total) == (Decimal("696.00"), Decimal("693.00"))
    before = now_seq()

    first, second = split(order)

    assert (first.number, second.number) == ("S-A", "S-B")
    money = Order.objects.filter(parent_number="S").values_list(
        "goods_total", "discount_total", "shipping_total", "grand_total"
    )
    assert [tuple(map(str, row)) for row in money.order_by("id")] == [
        ("297.00", "4.26", "2.98", "295.72"),
        ("399.00", "5.74", "4.02", "397.28"),
    ]
    assert [*first.lines.values_list("sku__code", "quantity")] == [("TEA-1", 3)]
    assert [*second.lines.order_by("position").values_list("sku__code", "quantity")] == [
        ("TEA-1", 1),
        ("LENS-85", 1),
    ]
    assert again(first).street == order.street
    assert children(order) == [("S-A", "dispatched"), ("S-B", "dispatched")]
    assert (stock("TEA-1"), stock("LENS-85")) == ((1000, 4), (1000, 1))
    assert_ledger_agrees()
    assert parcels(order) == []
    assert [*Shipment.objects.order_by("number").values_list("number", flat=True)] == [
        "S-A-1",
        "S-B-1",
    ]
    assert feed(first, before)[0] == "order.received"
    assert [act for act, _actor in acts(order)] == ["split", "dispatched"]
    assert [act for act, _actor in acts(first)] == ["split_off", "dispatched"]


def test_a_parents_state_follows_the_child_that_lags_most() -> None:
    order = placed("S", lines=LINES)
    split(order)
    assert state(order) == "dispatched"
    before = now_seq()

    report("S-A-1", "picked", "shipped")
    assert state(order) == "dispatched"
    report("S-B-1", "shipped")
    assert state(order) == "shipped"
    report("S-A-1", "delivered")
    assert state(order) == "shipped"
    report("S-B-1", "delivered")

    assert state(order) == "delivered"
    assert feed(order, before) == ["order.shipped", "order.delivered"]


def test_a_cancelled_child_no_longer_holds_its_parent_up() -> None:
    order, hold = held("S", lines=LINES)
    first, second = split(order)
    assert children(order) == [("S-A", "on_hold"), ("S-B", "on_hold")]

    cancel_order("S-A", actor=SHOP, reason="only the lens")
    refund = the_change(kind="order.refund_requested")
    assert (refund.subject_id, refund.new["amount"]) == ("S-A", str(again(first).grand_total))
    assert state(order) == "on_hold"

    release_hold(hold.pk, actor=supervisor(), reason="fine")
    assert children(order) == [("S-A", "cancelled"), ("S-B", "dispatched")]
    assert state(order) == "dispatched"
    report("S-B-1", "shipped", "delivered")
    assert state(order) == "delivered"
    assert again(second).state == "delivered"


def test_all_children_cancelled_cancel_the_parent_and_refund_every_cent_once() -> None:
    order, _hold = held("S", lines=LINES)
    split(order)

    cancel_order("S-A", actor=SHOP, reason="no")
    cancel_order("S-B", actor=SHOP, reason="no")

    assert state(order) == "cancelled"
    assert not order.holds.filter(state="open").exists()
    refunds = Change.objects.filter(kind="order.refund_requested")
    assert {one.subject_id for one in refunds} == {"S-A", "S-B"}
    assert refunded(refunds) == order.grand_total
    assert (stock("TEA-1"), stock("LENS-85")) == ((1000, 0), (1000, 0))
    assert_ledger_agrees()


def test_cancelling_the_parent_cancels_its_children_and_refunds_once() -> None:
    order, _hold = held("S", lines=LINES)
    split(order)

    cancel_order("S", actor=SHOP, reason="no")

    assert state(order) == "cancelled"
    assert children(order) == [("S-A", "cancelled"), ("S-B", "cancelled")]
    refunds = Change.objects.filter(kind="order.refund_requested")
    assert refunded(refunds) == order.grand_total
    assert stock("TEA-1") == (1000, 0)


def test_a_parent_with_a_child_at_the_warehouse_is_not_cancelled_as_a_whole() -> None:
    make_sku("RARE", units=0)
    order = placed("S", lines=[("TEA-1", 1, "9.00"), ("RARE", 1, "9.00")])
    split(order, [[(1, 1)], [(2, 1)]])
    assert children(order) == [("S-A", "dispatched"), ("S-B", "on_hold")]

    with nothing_changes(), pytest.raises(WrongState):
        cancel_order("S", actor=SHOP, reason="no")
    cancel_order("S-B", actor=SHOP, reason="no")
    assert state(order) == "dispatched"
    with nothing_changes(), pytest.raises(WrongState):
        cancel_order("S", actor=SHOP, reason="no")
    with nothing_changes(), pytest.raises(WrongState):
        recall_order(order.pk, actor=SHOP, reason="no")


def test_a_short_order_is_split_so_that_what_is_there_leaves() -> None:
    make_sku("RARE", units=0, warehouses=("EAST-1",))
    order = placed("S", lines=[("TEA-1", 2, "9.00"), ("RARE", 1, "9.00")])
    assert (state(order), order.stock_warehouse) == ("on_hold", None)

    first, second = split(order, [[(1, 2)], [(2, 1)]])

    assert children(order) == [("S-A", "dispatched"), ("S-B", "on_hold")]
    assert [*again(second).holds.values_list("owner", "state")] == [("stock", "open")]
    assert [*order.holds.values_list("owner", "state")] == [("stock", "released")]
    assert state(order) == "ready"
    receive_stock(Sku.objects.get(code="RARE"), warehouse("EAST-1"), 1, actor=SHOP)
    assert fill_short() == 1
    assert (state(second), state(order), state(first)) == ("dispatched",) * 3
    assert_ledger_agrees()


def test_children_share_the_holds_of_their_parent() -> None:
    order, hold = held("S", lines=LINES)
    split(order)
    assert dispatch_ready() == 0
    assert not Shipment.objects.exists()

    release_hold(hold.pk, actor=supervisor(), reason="fine")

    assert children(order) == [("S-A", "dispatched"), ("S-B", "dispatched")]
    assert Waiver.objects.count() == 1
    assert Shipment.objects.count() == 2


def test_a_child_that_a_rule_holds_keeps_only_itself() -> None:
    publish_rules(hold_rule("big", "order.is_child", "is_true"))
    order = placed("S", lines=LINES)
    first, _second = split(order)

    release_hold(first.holds.get().pk, actor=supervisor(), reason="fine")

    assert children(order) == [("S-A", "dispatched"), ("S-B", "on_hold")]
    assert state(order) == "ready"


def test_what_a_split_order_earned_is_caused_once() -> None:
    order = placed("S", lines=[("TEA-1", 12, "99.00")])
    split(order, [[(1, 6)], [(1, 6)]])

    effects = Effect.objects.order_by("order__number", "key").values_list("order__number", "key")
    assert [*effects] == [
        ("S", "after_sales_voucher"),
        ("S-A", "dispatch"),
        ("S-B", "dispatch"),
    ]


def test_a_split_order_counts_as_one_purchase() -> None:
    order = placed("S", lines=LINES, paid_at=None)
    customer = {"external_id": order.customer.external_id}
    split(order)

    later = placed("T", customer=customer, ship_to={"street": order.street})
    facts = later.decisions.get().facts
    assert (facts["customer.orders_24h"], facts["ship_to.orders_24h"]) == ("1", "1")
    assert Decimal(facts["customer.lifetime_spend"]) == order.grand_total
    child = Order.objects.get(number="S-A").decisions.first()
    assert int(child.facts["customer.orders_24h"]) == 0


def test_a_recalled_child_brings_its_parent_back() -> None:
    order = placed("S", lines=LINES)
    first, _second = split(order)

    recall_order(first.pk, actor=supervisor(), reason="wrong")
    report("S-A-1", "freeze_ack")

    assert (state(first), state(order)) == ("on_hold", "on_hold")
    release_hold(first.holds.get().pk, actor=supervisor(), reason="fine")
    assert (state(first), state(order)) == ("dispatched", "dispatched")


def test_a_change_of_the_parent_reaches_its_children() -> None:
    order, hold = held("S", lines=LINES)
    split(order)

    change_order("S", version=None, fields={"ship_to": {"street": "新街 1 号"}}, actor=CRM)
    streets = Order.objects.filter(parent_number="S").values_list("street", flat=True)
    assert [*streets] == ["新街 1 号", "新街 1 号"]

    release_hold(hold.pk, actor=supervisor(), reason="fine")
    change_order("S", version=None, fields={"ship_to": {"street": "老街 2 号"}}, actor=CRM)
    report("S-A-1", "freeze_ack")
    report("S-B-1", "freeze_refused")
    streets = (
        Order.objects.filter(parent_number="S").order_by("id").values_list("street", flat=True)
    )
    assert [*streets] == ["老街 2 号", "新街 1 号"]


def test_an_unpaid_order_is_split_and_its_children_wait_for_the_payment() -> None:
    order = placed("S", lines=LINES, paid_at=None)
    split(order)
    assert children(order) == [("S-A", "received"), ("S-B", "received")]

    paid_at = order.placed_at.isoformat()
    change_order("S", version=None, fields={"paid_at": paid_at}, actor=CRM)

    assert children(order) == [("S-A", "dispatched"), ("S-B", "dispatched")]
    assert state(order) == "dispatched"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [[(1, 4), (2, 1)]],
        [[(1, 4)], []],
        [[(1, 4)], [(2, 2)]],
        [[(1, 3)], [(2, 1)]],
        [[(1, 5)], [(2, 1)]],
        [[(1, 4)], [(2, 1), (3, 1)]],
        [[(1, 4), (2, 0)], [(2, 1)]],
        [[(1, 5), (2, 1)], [(1, -1)]],
    ],
)
def test_parts_that_are_not_exactly_the_order_are_refused(parts: Any) -> None:
    order = placed("S", lines=LINES)
    with nothing_changes(), pytest.raises(WrongState):
        split(order, parts)


def test_what_cannot_be_split_is_refused() -> None:
    order = placed("S", lines=LINES)
    taken = placed("S-A")
    with nothing_changes(), pytest.raises(WrongState):
        split(order)
    cancel_order("S", actor=SHOP, reason="no")
    with nothing_changes(), pytest.raises(WrongState):
        split(order)
    dispatch_ready()
    with nothing_changes(), pytest.raises(WrongState):
        split(taken, [[(1, 1)], [(1, 1)]])
    with pytest.raises(NotFound):
        split_order("NONE", PARTS, actor=SHOP)
    long = placed("L" * 64, lines=LINES)
    with nothing_changes(), pytest.raises(WrongState):
        split(long)
    twice = placed("T", lines=LINES, paid_at=None)
    split(twice)
    with nothing_changes(), pytest.raises(WrongState):
        split(twice)


def test_a_discount_larger_than_the_goods_leaves_no_child_below_zero() -> None:
    order = placed(
        "S",
        lines=[("TEA-1", 1, "0.33"), ("TEA-1", 1, "0.33"), ("TEA-1", 1, "0.34")],
        shipping_total="10.00",
        coupons=[{"code": "C", "type": "店铺券", "discount": "10.99"}],
    )
    split(order, [[(1, 1)], [(2, 1)], [(3, 1)]])

    found = Order.objects.filter(parent_number="S")
    assert all(child.grand_total >= 0 for child in found)
    sums = found.aggregate(Sum("discount_total"), Sum("shipping_total"), Sum("grand_total"))
    assert [*map(str, sums.values())] == ["10.99", "10.00", "0.01"]


# --- merge ---


def pair(**changes: Any) -> tuple[Order, Order]:
    """Two orders of one customer to one address."""
    address = {"street": "同街 1 号"}
    customer = {"external_id": "C-same"}
    first = placed("M", customer=customer, ship_to=address)
    return first, placed("N", **({"customer": customer, "ship_to": address} | changes))


def test_merged_orders_leave_in_one_parcel() -> None:
    main, other = pair(lines=[("LENS-85", 1, "300.00")])
    before = now_seq()

    merge_orders("M", ["N"], actor=SHOP)

    assert (state(main), state(other)) == ("dispatched", "dispatched")
    assert [*Shipment.objects.values_list("number", flat=True)] == ["M-1"]
    assert [*ShipmentLine.objects.order_by("id").values_list("order_line__sku__code")] == [
        ("TEA-1",),
        ("LENS-85",),
    ]
    assert feed(main, before) == ["shipment.released", "order.dispatched"]
    assert [*Effect.objects.values_list("order__number", "key")] == [("M", "dispatch")]
    report("M-1", "shipped", "delivered")
    assert (state(main), state(other)) == ("delivered", "delivered")
    assert (stock("TEA-1"), stock("LENS-85")) == ((999, 0), (999, 0))
    assert_ledger_agrees()


def test_the_main_order_inherits_the_holds() -> None:
    main, other = pair(coupons=TOO_MANY)
    hold = other.holds.get()
    before = now_seq()

    merge_orders("M", ["N"], actor=SHOP)

    hold.refresh_from_db()
    assert (hold.order, hold.state) == (main, "open")
    assert (state(main), parcels(main)) == ("on_hold", [])
    assert "hold.inherited" in feed(main, before)
    assert dispatch_ready() == 0

    release_hold(hold.pk, actor=supervisor(), reason="fine")

    assert (state(main), state(other)) == ("dispatched", "dispatched")
    assert Shipment.objects.count() == 1


def test_the_main_order_waits_for_the_stock_of_what_was_merged() -> None:
    make_sku("RARE", units=0, warehouses=("EAST-1",))
    main, other = pair(lines=[("RARE", 1, "9.00")])

    merge_orders("M", ["N"], actor=SHOP)
    dispatch_ready()
    assert (state(main), state(other)) == ("ready", "on_hold")

    receive_stock(Sku.objects.get(code="RARE"), warehouse("EAST-1"), 1, actor=SHOP)
    fill_short()
    dispatch_ready()
    assert (state(main), state(other)) == ("dispatched", "dispatched")
    assert Shipment.objects.count() == 1


def test_a_recalled_parcel_holds_all_that_travels_in_it() -> None:
    main, other = pair()
    merge_orders("M", ["N"], actor=SHOP)

    with nothing_changes(), pytest.raises(WrongState):
        recall_order(other.pk, actor=SHOP, reason="why")
    with nothing_changes(), pytest.raises(WrongState):
        cancel_order("N", actor=SHOP, reason="why")
    recall_order(main.pk, actor=SHOP, reason="why")
    report("M-1", "freeze_ack")
    assert (state(main), state(other)) == ("on_hold", "on_hold")

    release_hold(main.holds.get().pk, actor=supervisor(), reason="fine")
    assert (state(main), state(other)) == ("dispatched", "dispatched")
    assert parcels(main) == [("M-1", "released")]


def test_what_travelled_with_a_cancelled_order_travels_by_itself() -> None:
    main, other = pair()
    merge_orders("M", ["N"], actor=SHOP)
    cancel_order("M", actor=SHOP, reason="why")

    report("M-1", "freeze_ack")
    assert (state(main), state(other)) == ("cancelled", "ready")
    assert acts(other)[-1] == ("unmerged", "key:shop")
    dispatch_ready()

    assert (state(other), parcels(other)) == ("dispatched", [("N-1", "released")])
    assert parcels(main) == [("M-1", "cancelled")]
    assert stock("TEA-1") == (1000, 1)
    assert_ledger_agrees()


def test_an_address_change_of_the_main_order_goes_for_the_whole_parcel() -> None:
    main, other = pair(coupons=TOO_MANY)
    merge_orders("M", ["N"], actor=SHOP)
    new = {"ship_to": {"street": "新街 1 号"}}

    with nothing_changes(), pytest.raises(WrongState):
        change_order("N", version=None, fields=new, actor=CRM)
    change_order("M", version=None, fields=new, actor=CRM)

    assert (again(main).street, again(other).street) == ("新街 1 号", "新街 1 号")


def test_what_does_not_belong_together_is_not_merged() -> None:
    main, other = pair()
    elsewhere = placed("E", customer={"external_id": "C-same"})
    another = placed("F", ship_to={"street": "同街 1 号"})
    unpaid = placed(
        "U", customer={"external_id": "C-same"}, ship_to={"street": "同街 1 号"}, paid_at=None
    )
    for number in (elsewhere.number, another.number, unpaid.number):
        with nothing_changes(), pytest.raises(WrongState):
            merge_orders("M", [number], actor=SHOP)
    with nothing_changes(), pytest.raises(WrongState):
        merge_orders("M", [], actor=SHOP)
    with nothing_changes(), pytest.raises(NotFound):
        merge_orders("M", ["NONE"], actor=SHOP)
    hold_order(main.pk, actor=supervisor(), reason="wait")
    merge_orders("M", ["N"], actor=SHOP)
    with nothing_changes(), pytest.raises(WrongState):
        merge_orders("N", ["M"], actor=SHOP)
    assert again(other).merged_into_number == "M"


def test_screening_a_merged_order_again_does_not_route_it_away() -> None:
    main, other = pair(coupons=TOO_MANY)
    merge_orders("M", ["N"], actor=SHOP)
    Order.objects.filter(pk=other.pk).update(warehouse=warehouse("SOUTH-1"))

    rescreen_order(other.pk, actor=SHOP)

    assert again(other).warehouse.code == "SOUTH-1"
    assert XINJIANG["province"] != again(main).province
