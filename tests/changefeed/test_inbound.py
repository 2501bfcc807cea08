"""A message is taken once, and only if the transaction that applies it commits."""

import threading

import pytest
from django.db import connection, transaction

from changefeed.errors import TransactionRequired
from changefeed.inbound import receive_once
from changefeed.models import Inbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_repeat_is_known_per_source():
    with transaction.atomic():
        assert receive_once("wms", "e-1")
        assert not receive_once("wms", "e-1")
        assert receive_once("erp", "e-1")
    with transaction.atomic():
        assert not receive_once("wms", "e-1")


def test_outside_a_transaction_it_is_refused():
    with pytest.raises(TransactionRequired):
        receive_once("wms", "e-1")

    assert not Inbox.objects.exists()


def test_a_failed_application_may_be_tried_again():
    with transaction.atomic():
        assert receive_once("wms", "e-1")
        transaction.set_rollback(True)
    with transaction.atomic():
        assert receive_once("wms", "e-1")


def test_of_many_at_once_one_is_first():
    firsts: list[bool] = []
    barrier = threading.Barrier(8)

    def receive() -> None:
        try:
            barrier.wait()
            with transaction.atomic():
                firsts.append(receive_once("wms", "same"))
        finally:
            connection.close()

    threads = [threading.Thread(target=receive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(firsts) == [False] * 7 + [True]
    assert Inbox.objects.count() == 1
