"""Removing an endpoint while many of its subjects are being written: nobody waits for ever."""

import threading

import pytest
from django.db import connection, transaction

from changefeed import lifecycle
from changefeed.models import Endpoint, FeedLane
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
