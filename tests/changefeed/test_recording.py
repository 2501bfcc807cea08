"""Changes are written inside transactions, fanned out into lanes, and never rewritten."""

import threading
import time
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from changefeed.errors import TransactionRequired
from changefeed.models import Change, FeedLane
from changefeed.recording import act_as, record_change
from tests.changefeed.rows import change, changes, make_endpoint


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused():
    make_endpoint()

    with pytest.raises(TransactionRequired):
        record_change("order.placed", subject_kind="order", subject_id="A", subject_version=1)
    with pytest.raises(TransactionRequired):
        act_as("user:alice")

    assert not Change.objects.exists()
    assert not FeedLane.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_leaves_neither_row_nor_lane():
    make_endpoint()

    with transaction.atomic():
        record_change("order.placed", subject_kind="order", subject_id="A", subject_version=1)
        transaction.set_rollback(True)

    assert not Change.objects.exists()
    assert not FeedLane.objects.exists()


@pytest.mark.django_db
def test_a_change_carries_who_and_what():
    act_as("key:CRM", source="crm", source_event_id="e-7")
    record_change(
        "order.field_changed",
        subject_kind="order",
        subject_id="A",
        subject_version=3,
        field="ship_to_city",
        old="杭州市",
        new={"total": Decimal("12.50")},
    )

    row = Change.objects.get()

    assert (row.actor, row.source, row.source_event_id) == ("key:CRM", "crm", "e-7")
    assert (row.subject_kind, row.subject_id, row.subject_version) == ("order", "A", 3)
    assert (row.kind, row.field, row.old) == ("order.field_changed", "ship_to_city", "杭州市")
    assert row.new == {"total": "12.50"}
    assert row.event_id.version == 7
    assert row.schema_version == 1


@pytest.mark.django_db(transaction=True)
def test_the_actor_is_forgotten_with_the_transaction():
    with transaction.atomic():
        act_as("user:alice")
    with transaction.atomic():
        record_change("order.placed", subject_kind="order", subject_id="A", subject_version=1)

    assert Change.objects.get().actor == "unknown"
    assert Change.objects.get().source == "unknown"


@pytest.mark.django_db
def test_raw_sql_is_fanned_out_like_a_call():
    endpoint = make_endpoint()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind)"
            " SELECT 'order', 'R' || number / 2, 1, 'order.changed'"
            " FROM generate_series(0, 3) AS number"
        )

    lanes = FeedLane.objects.order_by("subject_id").values_list("endpoint", "subject_id")
    assert list(lanes) == [(endpoint.pk, "R0"), (endpoint.pk, "R1")]
    lane = FeedLane.objects.get(subject_id="R0")
    assert lane.last_seq == lane.head_seq + 1
    assert (lane.state, lane.attempts, lane.lease_id) == ("ready", 0, None)


@pytest.mark.django_db
def test_a_pending_lane_is_extended_and_keeps_its_head():
    make_endpoint()
    change("A", 1)
    first = FeedLane.objects.get()
    change("A", 2)

    lane = FeedLane.objects.get()

    assert (lane.pk, lane.head_seq, lane.last_seq) == (first.pk, first.head_seq, first.head_seq + 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kinds", "fields", "wanted"),
    [
        ([], [], True),
        (["order.changed"], [], True),
        (["order.*"], [], True),
        (["order.placed", "order.changed"], ["city"], True),
        (["order.placed"], [], False),
        (["orde.*"], [], False),
        (["return.*"], [], False),
        ([], ["city"], True),
        ([], ["phone"], False),
        (["order.changed"], ["phone"], False),
    ],
)
def test_filters_decide_which_endpoint_gets_a_lane(kinds, fields, wanted):
    make_endpoint(kinds=kinds, fields=fields)

    change("A", field="city")

    assert FeedLane.objects.exists() is wanted


@pytest.mark.django_db
def test_paused_endpoints_accumulate():
    make_endpoint(state="paused")

    change("A")

    assert FeedLane.objects.count() == 1


@pytest.mark.django_db
def test_history_cannot_be_rewritten():
    change("A")

    for act in (lambda: Change.objects.update(kind="x"), lambda: Change.objects.all().delete()):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()

    assert Change.objects.get().kind == "order.changed"


@pytest.mark.django_db(transaction=True)
def test_changes_of_one_subject_are_in_commit_order_under_two_writers():
    """Two writers of one order, holding its row as the lifecycle does, and reading its version."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE feed_test_subject (id int PRIMARY KEY, version int NOT NULL)")
        cursor.execute("INSERT INTO feed_test_subject VALUES (1, 0)")
    make_endpoint()

    def write() -> None:
        try:
            for _ in range(25):
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE feed_test_subject SET version = version + 1 RETURNING version"
                    )
                    (version,) = cursor.fetchone()
                    record_change(
                        "order.changed",
                        subject_kind="order",
                        subject_id="S",
                        subject_version=version,
                    )
                    time.sleep(0.0005)
        finally:
            connection.close()

    writers = [threading.Thread(target=write) for _ in range(2)]
    try:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        versions = Change.objects.order_by("seq").values_list("subject_version", flat=True)
        assert list(versions) == list(range(1, 51))
        lane = FeedLane.objects.get()
        assert lane.last_seq == Change.objects.order_by("-seq").values_list("seq", flat=True)[0]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE feed_test_subject")


@pytest.mark.django_db(transaction=True)
def test_bulk_writers_of_the_same_subjects_do_not_deadlock():
    for _ in range(3):
        make_endpoint()
    failures: list[Exception] = []

    def write(order: str) -> None:
        try:
            for _ in range(10):
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(
                        "INSERT INTO changefeed_change"
                        " (subject_kind, subject_id, subject_version, kind)"
                        " SELECT 'order', 'D' || number, 1, 'order.changed'"
                        f" FROM generate_series(1, 100) AS number ORDER BY number {order}"
                    )
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(order,)) for order in ("ASC", "DESC")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert failures == []
    assert FeedLane.objects.count() == 300


@pytest.mark.django_db
def test_the_subject_gets_one_lane_per_endpoint_whatever_the_number_of_changes():
    make_endpoint()
    make_endpoint()

    changes(subjects=3, versions=4)

    assert FeedLane.objects.count() == 6
    assert Change.objects.count() == 12
