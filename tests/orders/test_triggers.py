"""Every way of writing reaches the feed, with the version raised exactly once a change."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from changefeed.models import Change
from orders.actors import Actor
from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Customer, Order, OrderLine, Shipment, Sku
from orders.sql import copy
from tests.orders.acting import again, feed, held, now_seq, placed, the_change, warehouse

pytestmark = pytest.mark.usefixtures("world")


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def changes(after: int) -> list[tuple[str, str, int]]:
    """(subject, kind, version) of every change since."""
    found = Change.objects.filter(seq__gt=after).order_by("seq")
    return list(found.values_list("subject_id", "kind", "subject_version"))


KEY_FIELDS = {
    "province": ("浙江", "order.address_changed", "ship_to"),
    "city": ("宁波市", "order.address_changed", "ship_to"),
    "district": ("海曙区", "order.address_changed", "ship_to"),
    "street": ("新街 1 号", "order.address_changed", "ship_to"),
    "ship_name": ("王五", "order.recipient_changed", "recipient"),
    "ship_phone": ("+8613911112222", "order.recipient_changed", "recipient"),
    "ship_phone_masked": ("139****2222", "order.recipient_changed", "recipient"),
    "ship_phone_hash": ("abc", "order.recipient_changed", "recipient"),
    "invoice_title": ("某公司", "order.invoice_title_changed", "invoice_title"),
    "delivery_slot": ("上午", "order.delivery_slot_changed", "delivery_slot"),
    "lane": ("vip", "order.routing_changed", "routing"),
    "print_priority": (3, "order.routing_changed", "routing"),
}


def test_every_key_field_written_by_raw_sql_is_told_once() -> None:
    order = placed("N-1")
    for version, (column, (value, kind, field)) in enumerate(KEY_FIELDS.items(), start=2):
        before = now_seq()
        execute(f"UPDATE orders_order SET {column} = %s WHERE id = %s", value, order.pk)
        assert changes(before) == [("N-1", kind, version)]
        assert the_change(seq__gt=before).field == field
        assert again(order).version == version


def test_update_tells_the_old_value_and_the_new() -> None:
    order = placed("N-1")
    Order.objects.filter(pk=order.pk).update(invoice_title="某公司", warehouse=warehouse("COLD-1"))

    title: Any
    routing: Any
    title, routing = Change.objects.filter(subject_id="N-1").order_by("seq")[1:]
    assert (title.old, title.new, title.subject_version) == ("", "某公司", 2)
    assert (routing.old["warehouse"], routing.new["warehouse"]) == ("EAST-1", "COLD-1")
    assert routing.subject_version == 2


def test_equal_values_change_nothing() -> None:
    order = placed("N-1")
    before = now_seq()
    Order.objects.filter(pk=order.pk).update(street=order.street, urgent=order.urgent)
    again(order).save()
    Order.objects.bulk_update([again(order)], ["province", "lane"])

    assert changes(before) == []
    assert again(order).version == 1


def test_a_remark_is_an_edit_but_no_news() -> None:
    order = placed("N-1")
    before = now_seq()
    Order.objects.filter(pk=order.pk).update(urgent=True, buyer_remark="x")

    assert changes(before) == []
    assert again(order).version == 2


def test_one_statement_over_many_orders_tells_each() -> None:
    orders = [placed(f"N-{number}") for number in range(3)]
    before = now_seq()
    Order.objects.update(delivery_slot="上午")
    assert changes(before) == [(one.number, "order.delivery_slot_changed", 2) for one in orders]
    orders = list(Order.objects.order_by("id"))
    for one in orders:
        one.invoice_title = f"给 {one.number}"
    before = now_seq()
    Order.objects.bulk_update(orders, ["invoice_title"])
    assert changes(before) == [(one.number, "order.invoice_title_changed", 3) for one in orders]


def _twin(order: Order, number: str) -> Order:
    skipped = {"id", "number", "version"}
    fields = [field.attname for field in Order._meta.concrete_fields if field.name not in skipped]
    return Order(number=number, **{name: getattr(order, name) for name in fields})


def test_bulk_create_and_copy_are_told() -> None:
    order = placed("N-1")
    before = now_seq()
    Order.objects.bulk_create([_twin(order, "N-2"), _twin(order, "N-3")])
    assert changes(before) == [("N-2", "order.received", 1), ("N-3", "order.received", 1)]
    before = now_seq()
    columns = [field.column for field in Order._meta.concrete_fields if field.name != "id"]
    names = ", ".join(columns)
    execute(f"CREATE TEMP TABLE copied AS SELECT {names} FROM orders_order WHERE number = 'N-1'")
    execute("UPDATE copied SET number = 'N-4'")
    execute(f"INSERT INTO orders_order ({names}) SELECT {names} FROM copied")
    assert changes(before) == [("N-4", "order.received", 1)]


def test_lines_added_changed_and_removed_are_told_with_the_whole_list() -> None:
    order = placed("N-1")
    tea = Sku.objects.get(code="TEA-1")
    before = now_seq()
    with transaction.atomic():
        copy(
            "orders_orderline",
            ("order_id", "position", "sku_id", "quantity", "unit_price", "is_gift"),
            [(order.pk, 2, tea.pk, 1, "0.00", True), (order.pk, 3, tea.pk, 2, "1.00", False)],
        )
    assert changes(before) == [("N-1", "order.lines_changed", 2)]
    assert len(the_change(seq__gt=before).new) == 3
    execute("UPDATE orders_orderline SET quantity = 5 WHERE position = 3")
    OrderLine.objects.filter(position=2).delete()
    assert changes(before)[1:] == [
        ("N-1", "order.lines_changed", 3),
        ("N-1", "order.lines_changed", 4),
    ]
    last: Any = Change.objects.order_by("seq").last()
    assert last.new == [
        {"sku": "TEA-1", "quantity": 1, "unit_price": "99.00", "is_gift": False},
        {"sku": "TEA-1", "quantity": 5, "unit_price": "1.00", "is_gift": False},
    ]


def test_holds_written_by_raw_sql_are_told() -> None:
    order, hold = held("N-1")
    before = now_seq()
    execute("UPDATE orders_hold SET state = 'released', resolved_at = now(), resolved_by = 'sql'")
    execute("UPDATE orders_hold SET resolution = 'why'")
    assert changes(before) == [("N-1", "hold.released", 1)]
    news = the_change(seq__gt=before).new
    assert (news["id"], news["state"], news["resolved_by"]) == (hold.pk, "released", "sql")
    assert again(order).version == 1


def test_shipments_written_by_raw_sql_are_told() -> None:
    order = placed("N-1")
    dispatch_ready()
    before = now_seq()
    Shipment.objects.update(deliver_on=date(2026, 12, 24), courier=None)
    execute("UPDATE orders_shipment SET state = 'picking', waybill = 'SF1'")
    Shipment.objects.update(waybill="SF2")
    assert [kind for _subject, kind, _version in changes(before)] == [
        "shipment.rescheduled",
        "shipment.rerouted",
        "shipment.picking",
    ]
    assert feed(order, before) == [kind for _subject, kind, _version in changes(before)]


def test_a_customers_contact_data_is_told_as_the_customers_change() -> None:
    customer = placed().customer
    before = now_seq()
    Customer.objects.filter(pk=customer.pk).update(phone="+8613911112222")
    execute("UPDATE orders_customer SET crm_grade = 'A', sign_for_rate = %s", Decimal("0.5"))
    assert changes(before) == [(customer.external_id, "customer.contact_changed", 2)]
    change = the_change(seq__gt=before)
    assert (change.subject_kind, change.new["phone"]) == ("customer", "+8613911112222")


def test_what_is_rolled_back_is_never_told() -> None:
    order = placed("N-1")
    before = now_seq()
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(street="nowhere")
        assert len(changes(before)) == 1
        transaction.set_rollback(True)
    assert changes(before) == []
    assert again(order).version == 1


def test_the_actor_of_the_transaction_is_named_and_nobody_else() -> None:
    order = placed("N-1")
    with transaction.atomic():
        Actor("key:crm", "crm", event_id="e-7").begin()
        execute("UPDATE orders_order SET street = 'a' WHERE id = %s", order.pk)
    change = Change.objects.order_by("seq").last()
    assert change is not None
    assert (change.actor, change.source, change.source_event_id) == ("key:crm", "crm", "e-7")
