"""Stock: what lies there, what is reserved, and a ledger that always adds up to both."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orders.errors import OrderError, OutOfStock
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.placing import place_order
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.restocking import fill_short
from orders.lifecycle.routing_choices import choose_slots
from orders.lifecycle.shipping import record_shipment_event
from orders.lifecycle.splitting import split_order
from orders.lifecycle.stock import count_stock, receive_stock
from orders.models import Order, Shipment, Sku, Stock, StockEntry
from tests.factories import make_sku, order_document
from tests.orders.acting import (
    SHOP,
    WMS,
    assert_ledger_agrees,
    nothing_changes,
    placed,
    publish_rules,
    stock,
    warehouse,
)


def test_goods_received_are_on_hand_and_in_the_ledger(world: None) -> None:
    tea = Sku.objects.get(code="TEA-1")

    receive_stock(tea, warehouse("SOUTH-1"), 7, actor=SHOP)
    receive_stock(tea, warehouse("SOUTH-1"), 5, actor=SHOP, order_number="N-1")

    assert stock("TEA-1", "SOUTH-1") == (12, 0)
    entries = StockEntry.objects.filter(stock__warehouse__code="SOUTH-1").order_by("id")
    assert [*entries.values_list("move", "on_hand_delta", "order_number", "actor")] == [
        ("receive", 7, "", "key:shop"),
        ("return", 5, "N-1", "key:shop"),
    ]
    for units in (0, -1):
        with nothing_changes(), pytest.raises(ValueError, match="positive"):
            receive_stock(tea, warehouse("SOUTH-1"), units, actor=SHOP)


def test_a_count_sets_what_is_there_but_never_below_what_is_reserved(world: None) -> None:
    placed(lines=[("TEA-1", 3, "9.00")])
    row = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1")

    count_stock(row.pk, 3, actor=SHOP)
    assert stock("TEA-1") == (3, 3)
    entry = StockEntry.objects.latest("id")
    assert (entry.move, entry.on_hand_delta, entry.actor) == ("adjust", -997, "key:shop")
    with nothing_changes():
        count_stock(row.pk, 3, actor=SHOP)
    for counted in (2, 0, -1):
        with nothing_changes(), pytest.raises(OutOfStock):
            count_stock(row.pk, counted, actor=SHOP)


def test_an_order_takes_all_its_units_from_one_warehouse_or_none(world: None) -> None:
    publish_rules()
    make_sku("A", units=1, warehouses=("EAST-1",))
    make_sku("B", units=1, warehouses=("COLD-1",))
    make_sku("C", units=1, warehouses=("EAST-1", "COLD-1"))

    apart = placed(lines=[("A", 1, "1.00"), ("B", 1, "1.00")])
    together = placed(lines=[("B", 1, "1.00"), ("C", 1, "1.00")])

    assert apart.holds.get().owner == "stock"
    assert together.stock_warehouse == warehouse("COLD-1")
    assert (stock("A"), stock("B", "COLD-1"), stock("C", "COLD-1")) == ((1, 0), (1, 1), (1, 1))
    assert stock("C") == (1, 0)


def test_two_lines_of_one_sku_are_reserved_together(world: None) -> None:
    make_sku("A", units=3, warehouses=("EAST-1",))
    assert placed(lines=[("A", 2, "1.00"), ("A", 2, "1.00")]).state == "on_hold"
    assert placed(lines=[("A", 2, "1.00"), ("A", 1, "1.00")]).state == "ready"
    assert stock("A") == (3, 3)


class StockMachine(RuleBasedStateMachine):
    """Acts in any order: figures and ledger agree, and nothing is ever oversold."""

    def __init__(self) -> None:
        super().__init__()
        self.placed = 0
        self.world = transaction.atomic()
        self.world.__enter__()

    def teardown(self) -> None:
        """Every example starts from the same world."""
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    def _pick(self, data: Any, **filters: Any) -> Order | None:
        numbers = sorted(Order.objects.filter(**filters).values_list("number", flat=True))
        return Order.objects.get(number=data.draw(st.sampled_from(numbers))) if numbers else None

    @rule(
        lines=st.lists(
            st.tuples(st.sampled_from(["A", "B"]), st.integers(1, 4), st.just("1.00")),
            min_size=1,
            max_size=2,
        ),
        batches=st.booleans(),
    )
    def place(self, lines: list[tuple[str, int, str]], batches: bool) -> None:
        self.placed += 1
        days = [(timezone.localdate() + timedelta(days=day)).isoformat() for day in (0, 9)]
        doubled = [(sku, 2 * units, price) for sku, units, price in lines]
        changes: dict[str, Any] = {"lines": lines}
        if batches:
            changes = {"lines": doubled, "deliveries": [{"date": day} for day in days]}
        place_order(order_document(f"O-{self.placed}", **changes), actor=SHOP)

    @rule(code=st.sampled_from(["A", "B"]), where=st.sampled_from(["EAST-1", "COLD-1"]))
    def receive(self, code: str, where: str) -> None:
        receive_stock(Sku.objects.get(code=code), warehouse(where), 3, actor=SHOP)
        fill_short()

    @rule(counted=st.integers(0, 9), data=st.data())
    def count(self, counted: int, data: Any) -> None:
        row = data.draw(st.sampled_from(sorted(Stock.objects.values_list("pk", flat=True))))
        self._try(lambda: count_stock(row, counted, actor=SHOP))

    @rule()
    def dispatch(self) -> None:
        dispatch_ready()

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        if order := self._pick(data):
            self._try(lambda: cancel_order(order.number, actor=SHOP, reason="no"))

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def recall(self, data: Any) -> None:
        if order := self._pick(data, state="dispatched"):
            self._try(lambda: recall_order(order.pk, actor=SHOP, reason="wait"))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), where=st.sampled_from(["EAST-1", "COLD-1"]))
    def reroute(self, data: Any, where: str) -> None:
        if order := self._pick(data, state__in=["received", "ready", "on_hold"]):
            self._try(lambda: choose_slots(order.pk, actor=SHOP, warehouse=where))

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def split(self, data: Any) -> None:
        if order := self._pick(data, lines__quantity__gte=2, lines__position=1):
            lines = [(line.position, line.quantity) for line in order.lines.all()]
            parts = [[(1, 1)], [(1, lines[0][1] - 1), *lines[1:]]]
            self._try(lambda: split_order(order.number, parts, actor=SHOP))

    @precondition(lambda self: self.placed)
    @rule(
        data=st.data(),
        event=st.sampled_from(["picked", "shipped", "freeze_ack", "freeze_refused"]),
    )
    def report(self, data: Any, event: str) -> None:
        numbers = sorted(Shipment.objects.values_list("number", flat=True))
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            self._try(lambda: record_shipment_event(number, event, actor=WMS))

    def _try(self, act: Any) -> None:
        with suppress(OrderError), transaction.atomic():
            act()

    @invariant()
    def the_ledger_agrees_and_nothing_is_oversold(self) -> None:
        assert_ledger_agrees()
        for row in Stock.objects.all():
            assert 0 <= row.reserved <= row.on_hand
        gone = Order.objects.filter(state__in=["cancelled", "shipped", "delivered"])
        for number in gone.values_list("number", flat=True):
            kept = StockEntry.objects.filter(order_number=number).values_list("reserved_delta")
            assert sum(units for (units,) in kept) == 0, number


def test_any_sequence_of_acts_keeps_the_books(world: None) -> None:
    for code in ("A", "B"):
        make_sku(code, units=5)
    publish_rules()
    run_state_machine_as_test(
        StockMachine,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
