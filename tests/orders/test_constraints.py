"""The database refuses every row that must not exist, whoever writes it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import release_hold
from orders.models import (
    Customer,
    Effect,
    Hold,
    Order,
    OrderLine,
    SettlementPrice,
    Shipment,
    ShipmentLine,
    Sku,
    Stock,
    StockEntry,
    StopRequest,
    Waiver,
)
from tests.factories import settle
from tests.orders.acting import again, held, nothing_changes, placed, state, supervisor

pytestmark = pytest.mark.usefixtures("world")


def refused(constraint: str, statement: str, *parameters: Any) -> None:
    """The database names the constraint that the statement breaks, and nothing changes."""
    with (
        nothing_changes(),
        pytest.raises(IntegrityError) as error,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, parameters)
    assert isinstance(error.value.__cause__, psycopg.errors.IntegrityError)
    assert constraint in str(error.value.__cause__.diag.constraint_name)


def update(model: Any, column: str, value: str, where: str = "true") -> str:
    return f"UPDATE {model._meta.db_table} SET {column} = {value} WHERE {where}"


# --- stock ---


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reserved", "-1"),
        ("on_hand", "-1"),
        ("reserved", "on_hand + 1"),
        ("on_hand", "reserved - 1"),
    ],
)
def test_stock_is_never_negative_nor_oversold(column: str, value: str) -> None:
    refused("stock_never_oversold", update(Stock, column, value))


def test_one_stock_row_a_sku_and_warehouse() -> None:
    row = Stock.objects.first()
    assert row is not None
    refused(
        "one_stock_row",
        "INSERT INTO orders_stock (sku_id, warehouse_id, on_hand, reserved) VALUES (%s, %s, 1, 0)",
        row.sku_id,
        row.warehouse_id,
    )


def test_a_ledger_entry_moves_something_of_a_known_kind() -> None:
    refused("stock_entry_moves_something", update(StockEntry, "on_hand_delta", "0"))
    refused("stock_move_known", update(StockEntry, "move", "'vanish'"))


# --- orders ---


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("state", "'lost'", "order_state_known"),
        ("grand_total", "grand_total + 1", "order_amounts_add_up"),
        ("discount_total", "-1", "order_amounts"),
        ("ship_phone", "'138****0000'", "ship_phone_is_not_masked"),
        ("state", "'dispatched'", "dispatched_order_has_its_time"),
    ],
)
def test_an_order_row_that_cannot_be_is_refused(column: str, value: str, constraint: str) -> None:
    placed()
    refused(constraint, update(Order, column, value))


def test_an_order_number_and_an_idempotency_key_exist_once() -> None:
    placed("N-1")
    placed("N-2")
    refused("number", update(Order, "number", "'N-1'", "number = 'N-2'"))
    Order.objects.filter(number="N-1").update(idempotency_key="k")
    refused(
        "one_order_per_idempotency_key",
        update(Order, "idempotency_key", "'k'", "number = 'N-2'"),
    )


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("quantity", "0", "line_quantity_positive"),
        ("quantity", "-1", "quantity"),
        ("unit_price", "-0.01", "line_price_not_negative"),
    ],
)
def test_a_line_that_cannot_be_is_refused(column: str, value: str, constraint: str) -> None:
    placed()
    refused(constraint, update(OrderLine, column, value))


def test_a_dispatched_order_has_no_open_hold() -> None:
    order, _hold = held()
    refused(
        "no_dispatch_while_held",
        "UPDATE orders_order SET state = 'dispatched', dispatched_at = now() WHERE id = %s",
        order.pk,
    )


@pytest.mark.parametrize("reached", ["dispatched", "shipped", "delivered"])
def test_no_hold_opens_once_the_warehouse_has_the_order(reached: str) -> None:
    order = placed()
    dispatch_ready()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET state = %s", [reached])
    refused(
        "no_hold_after_dispatch",
        """INSERT INTO orders_hold (order_id, owner, rule_key, rule_name, reason, risk, inputs,
            fingerprint, state, due_at, resolved_by, resolution, follow_up)
        VALUES (%s, 'manual', '', '', 'x', 'low', '[]', '', 'open', now(), '', '', '')""",
        order.pk,
    )


def test_an_old_hold_is_not_opened_again_after_dispatch() -> None:
    _order, hold = held()
    release_hold(hold.pk, actor=supervisor(), reason="fine")
    refused(
        "no_hold_after_dispatch",
        "UPDATE orders_hold SET state = 'open', resolved_at = NULL",
    )


def test_one_open_hold_of_one_owner_and_rule() -> None:
    _order, hold = held()
    copy = """INSERT INTO orders_hold (order_id, owner, rule_key, rule_name, reason, risk, inputs,
            fingerprint, state, due_at, resolved_by, resolution, follow_up)
        SELECT order_id, owner, {}, '', 'x', 'low', '[]', '', 'open', now(), '', '', ''
        FROM orders_hold WHERE id = %s"""
    refused("one_open_hold_per_cause", copy.format("rule_key"), hold.pk)
    with connection.cursor() as cursor:
        cursor.execute(copy.format("'another'"), [hold.pk])
    assert Hold.objects.count() == 2


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("state", "'gone'", "hold_state_known"),
        ("owner", "'nobody'", "hold_owner_known"),
        ("state", "'released'", "resolved_hold_has_its_time"),
        ("resolved_at", "now()", "resolved_hold_has_its_time"),
    ],
)
def test_a_hold_that_cannot_be_is_refused(column: str, value: str, constraint: str) -> None:
    held()
    refused(constraint, update(Hold, column, value))


def test_effects_and_waivers_exist_once() -> None:
    order, hold = held()
    release_hold(hold.pk, actor=supervisor(), reason="fine")
    assert (Effect.objects.count(), Waiver.objects.count()) == (1, 1)
    for table, constraint, columns in (
        ("orders_effect", "effect_runs_once", "order_id, key, rule_key"),
        ("orders_waiver", "one_waiver", "order_id, rule_key, fingerprint, hold_id"),
    ):
        refused(constraint, f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}")
    assert state(order) == "dispatched"


# --- shipments ---


def test_one_active_shipment_a_parcel_number() -> None:
    order = placed("N-1")
    dispatch_ready()
    shipment = Shipment.objects.get()
    twin = {"order": order, "number": "N-1-1", "warehouse": shipment.warehouse}
    with (
        nothing_changes(),
        pytest.raises(IntegrityError, match="one_active_shipment_per_parcel"),
        transaction.atomic(),
    ):
        Shipment.objects.create(**twin)
    Shipment.objects.bulk_create([Shipment(**twin, state="cancelled")])
    assert Shipment.objects.count() == 2


def test_a_shipment_that_cannot_be_is_refused() -> None:
    order = placed()
    dispatch_ready()
    refused("shipment_state_known", update(Shipment, "state", "'lost'"))
    refused("shipment_line_quantity_positive", update(ShipmentLine, "quantity", "0"))
    columns = "shipment_id, order_line_id, quantity"
    table = "orders_shipmentline"
    refused(
        "one_shipment_line_per_line",
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}",
    )
    request = {"order": order, "purpose": "hold", "actor": "x", "source": "x"}
    StopRequest.objects.create(**request)
    with (
        nothing_changes(),
        pytest.raises(IntegrityError, match="one_waiting_stop_request"),
        transaction.atomic(),
    ):
        StopRequest.objects.create(**request)
    refused("stop_request_state_known", update(StopRequest, "state", "'maybe'"))


# --- reference data ---


def test_reference_rows_that_cannot_be_are_refused() -> None:
    order = placed()
    refused("sku_temperature_known", update(Sku, "temperature", "'boiling'"))
    settle("douyin", "TEA-1", "1.00")
    refused("settlement_price_not_negative", update(SettlementPrice, "price", "-1"))
    columns = "channel_id, sku_id, price"
    table = "orders_settlementprice"
    refused(
        "one_settlement_price", f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}"
    )
    refused("sign_for_rate_is_a_share", update(Customer, "sign_for_rate", "1.001"))
    refused("phone_is_not_masked", update(Customer, "phone", "'138****0000'"))
    with nothing_changes(), pytest.raises(DatabaseError), transaction.atomic():
        order.channel.delete()


# --- the state machines in Python ---


def test_the_state_is_protected_and_transitions_are_guarded() -> None:
    order, hold = held()
    with pytest.raises(AttributeError):
        order.state = "dispatched"
    with pytest.raises(AttributeError):
        hold.state = "released"
    for transition in (order.mark_clean, order.mark_shipped, order.mark_delivered):
        with pytest.raises(TransitionNotAllowed):
            transition()
    with pytest.raises(TransitionNotAllowed):
        order.mark_dispatched(timezone.now())
    hold.mark_released(by="x", at=timezone.now(), reason="x")
    with pytest.raises(TransitionNotAllowed):
        hold.mark_upheld(by="x", at=timezone.now(), reason="x", follow_up="cancel")


def test_a_stale_copy_cannot_save_its_transition() -> None:
    order, _hold = held()
    one, other = again(order), again(order)
    one.mark_cancelled()
    one.save()
    other.mark_waiting()
    with nothing_changes(), pytest.raises(ConcurrentTransition), transaction.atomic():
        other.save()


def test_a_stale_copy_never_sets_the_version_back() -> None:
    order = placed()
    stale = again(order)
    Order.objects.filter(pk=order.pk).update(street="新街 1 号")
    assert again(order).version == 2
    stale.street = "新街 1 号"
    stale.dispatch_after = timezone.now() + timedelta(days=1)

    stale.save()

    assert again(order).version == 2
    assert again(order).grand_total == Decimal("99.00")
