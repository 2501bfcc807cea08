"""Removing an endpoint while many of its subjects are being written: nobody waits for ever."""

import threading

import pytest
from django.db import connection, transaction

from changefeed import lifecycle
from changefeed.lifecycle import Selection
from changefeed.models import Change, Endpoint, FeedLane
from changefeed.recording import act_as, record_change
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def _record(subject):
    record_change("order.changed", subject_kind="order", subject_id=subject, subject_version=2)


def _until_somebody_waits():
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return


@pytest.mark.parametrize(
    "act",
    [
        lambda endpoint: lifecycle.remove_endpoint(endpoint, actor="user:eve"),
        lambda endpoint: lifecycle.replay(endpoint, Selection(), actor="user:eve"),
    ],
    ids=["removed", "replayed"],
)
def test_a_writer_that_takes_subjects_in_an_order_of_its_own_is_never_the_victim(act):
    """A return and then its order, say, in one transaction: who takes many lanes gives way."""
    endpoint = make_endpoint()
    change("A")
    change("B")
    first = Change.objects.earliest("seq").seq
    FeedLane.objects.update(head_seq=first + 5, last_seq=first + 5)
    failures = []

    def run():
        try:
            act(endpoint)
        except Exception as failure:
            failures.append(failure)
        finally:
            connection.close()

    other = threading.Thread(target=run)
    with transaction.atomic(), connection.cursor() as cursor:
        # The server looks for deadlocks on behalf of whoever waited longest; let that be us.
        cursor.execute("SET LOCAL deadlock_timeout = '900ms'")
        act_as("user:test")
        _record("B")
        other.start()
        _until_somebody_waits()
        _record("A")
    other.join(20)

    assert failures == []
    assert Change.objects.filter(subject_version=2).count() == 2


def test_a_writer_of_two_subjects_and_a_removal_wait_in_the_same_order():
    endpoint = make_endpoint()
    # In the table B stands before A; whoever takes the rows as they come holds B first.
    change("B")
    change("A")
    removed = []

    def remove():
        try:
            removed.append(lifecycle.remove_endpoint(endpoint, actor="user:eve"))
        finally:
            connection.close()

    remover = threading.Thread(target=remove)
    with transaction.atomic():
        act_as("user:test")
        _record("A")
        remover.start()
        _until_somebody_waits()
        _record("B")
    remover.join(10)

    assert removed == [2]
    assert not FeedLane.objects.exists()
    assert not Endpoint.objects.exists()
