"""Odd ways of writing: each change is told once, what stayed equal is not, whoever wrote it how."""

from typing import Any

import pytest
from django.db import connection, transaction

from changefeed.models import Change
from tests.orders.acting import again, now_seq, placed

pytestmark = pytest.mark.usefixtures("world")


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def told(after: int) -> list[tuple[str, str, int]]:
    """(subject, kind, version) of every change since."""
    found = Change.objects.filter(seq__gt=after).order_by("seq")
    return list(found.values_list("subject_id", "kind", "subject_version"))


def test_an_upsert_that_meets_the_order_tells_the_update_only() -> None:
    order = placed("N-1")
    before = now_seq()
    columns = [str(field.column) for field in order._meta.concrete_fields]
    listed = ", ".join(columns)
    values = ", ".join("'海曙区'" if one == "district" else one for one in columns)

    execute(
        f"INSERT INTO orders_order ({listed}) SELECT {values} FROM orders_order WHERE id = %s"
        " ON CONFLICT (id) DO UPDATE SET district = excluded.district",
        order.pk,
    )

    assert told(before) == [("N-1", "order.address_changed", 2)]
    assert again(order).version == 2


def test_a_merge_is_told() -> None:
    orders = [placed("N-1"), placed("N-2")]
    before = now_seq()

    execute(
        "MERGE INTO orders_order USING (VALUES (%s, '海曙区'), (%s, district_of(%s)))"
        " AS wanted(id, district) ON orders_order.id = wanted.id"
        " WHEN MATCHED THEN UPDATE SET district = wanted.district".replace(
            "district_of(%s)", "(SELECT district FROM orders_order WHERE id = %s)"
        ),
        orders[0].pk,
        orders[1].pk,
        orders[1].pk,
    )

    assert told(before) == [("N-1", "order.address_changed", 2)]


def test_lines_written_with_equal_values_are_no_news() -> None:
    order = placed("N-1")
    before = now_seq()

    execute("UPDATE orders_orderline SET quantity = quantity, unit_price = unit_price * 1.000")
    execute("UPDATE orders_orderline SET settlement_price = 1")

    assert told(before) == []
    assert again(order).version == 1


def test_a_line_moved_to_another_order_is_told_of_both() -> None:
    first, second = placed("N-1"), placed("N-2")
    before = now_seq()

    execute(
        "UPDATE orders_orderline SET order_id = %s, position = 9 WHERE order_id = %s",
        second.pk,
        first.pk,
    )

    assert told(before) == [("N-1", "order.lines_changed", 2), ("N-2", "order.lines_changed", 2)]


def test_two_changes_in_one_transaction_are_two_and_back_again_too() -> None:
    order = placed("N-1")
    before = now_seq()

    with transaction.atomic():
        execute("UPDATE orders_order SET district = '海曙区' WHERE id = %s", order.pk)
        execute("UPDATE orders_order SET district = '江北区' WHERE id = %s", order.pk)

    assert told(before) == [
        ("N-1", "order.address_changed", 2),
        ("N-1", "order.address_changed", 3),
    ]


def test_what_a_savepoint_took_back_was_never_told() -> None:
    order = placed("N-1")
    before = now_seq()

    with transaction.atomic():
        with transaction.atomic():
            execute("UPDATE orders_order SET district = '海曙区' WHERE id = %s", order.pk)
            transaction.set_rollback(True)
        execute("UPDATE orders_order SET district = '江北区' WHERE id = %s", order.pk)

    assert told(before) == [("N-1", "order.address_changed", 2)]


def test_what_the_words_of_a_filter_are_made_of_does_no_harm_as_a_value() -> None:
    order = placed("N-1")
    before = now_seq()
    odd = "a\"b\\c'd\u2028\u202e{}%s\U0001f600" * 5

    execute("UPDATE orders_order SET invoice_title = %s WHERE id = %s", odd, order.pk)

    assert Change.objects.get(seq__gt=before).new == odd
