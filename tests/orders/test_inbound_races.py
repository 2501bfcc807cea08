"""Another system and the desk at once, over connections of their own: nobody's word is lost."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from changefeed.inbound import Message, take
from changefeed.models import Change, Inbox
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Order, StopRequest
from tests.orders.acting import WMS, placed, supervisor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("world")]
ROUNDS = 6


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each answered, or the name of what it raised, in the order given."""
    barrier = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait()
            answers[index] = acts[index]()
        except Exception as error:
            answers[index] = type(error).__name__
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def told(
    number: str, message: str, version: int | None = None, **changes: Any
) -> Callable[[], str]:
    what = Message(message, "crm", "key:crm", "order", number, version, changes)
    return lambda: take(what).outcome


def _title_after(number: str, **act: Any) -> str:
    return str(change_order(number, **act).invoice_title)


def _answered(parcel: str) -> int:
    return int(record_shipment_event(parcel, "freeze_ack", actor=WMS).pk)


def test_of_two_who_changed_the_same_version_one_is_told_to_look_again() -> None:
    actor = supervisor()
    for index in range(ROUNDS):
        number = f"I-{index}"
        version = placed(number, paid_at=None).version
        fields = {"invoice_title": "desk"}

        answers = at_once(
            told(number, f"m-{index}", version, invoice_title="crm"),
            partial(_title_after, number, version=version, fields=fields, actor=actor),
        )

        stored = Order.objects.get(number=number).invoice_title
        assert answers == (
            ["applied", "VersionConflict"] if stored == "crm" else ["VersionConflict", "desk"]
        )


def test_of_two_bodies_under_one_id_one_is_applied_and_one_refused() -> None:
    for index in range(ROUNDS):
        number = f"I-{index}"
        placed(number, paid_at=None)

        answers = at_once(
            told(number, f"m-{index}", invoice_title="one"),
            told(number, f"m-{index}", invoice_title="two"),
        )

        assert sorted(answers) == ["DifferentMessage", "applied"]
        said = Change.objects.filter(subject_id=number, kind="order.invoice_title_changed")
        assert said.count() == 1
    assert Inbox.objects.count() == ROUNDS


def test_taking_a_change_back_while_the_answer_arrives_ends_with_the_last_word() -> None:
    """Refused while the warehouse is asked, it changes the order anew once it was answered."""
    for index in range(ROUNDS):
        number = f"I-{index}"
        home = {"street": placed(number).street}
        dispatch_ready()
        told(number, f"a-{index}", ship_to={"street": "莫干山路 1 号"})()
        back = told(number, f"b-{index}", ship_to=home)

        answers = at_once(
            back,
            partial(_answered, f"{number}-1"),
        )

        assert isinstance(answers[1], int)
        if answers[0] == "AlreadyDone":
            assert Order.objects.get(number=number).street == "莫干山路 1 号"
            assert back() == "waiting"
        else:
            assert answers[0] == "waiting"
        record_shipment_event(f"{number}-1", "freeze_ack", actor=WMS)
        assert Order.objects.get(number=number).street == home["street"]
        assert not StopRequest.objects.waiting().filter(order__number=number).exists()


def test_a_main_order_waits_for_its_gifts_answer_in_flight() -> None:
    """Else neither would see the other's answer, and both would wait for ever."""
    main, gift = placed("M-1"), placed("G-1", gift_for="M-1")
    dispatch_ready()
    cancel_order("M-1", actor=supervisor(), reason="refund")
    answered, go_on = threading.Event(), threading.Event()

    def answer_for_gift() -> None:
        try:
            with transaction.atomic():
                _answered("G-1-1")
                answered.set()
                go_on.wait(20)
        finally:
            connections.close_all()

    def answer_for_main() -> None:
        try:
            _answered("M-1-1")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act) for act in (answer_for_gift, answer_for_main)]
    threads[0].start()
    assert answered.wait(20)
    threads[1].start()
    while threads[1].is_alive() and not _somebody_waits():
        threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join()

    assert [Order.objects.get(pk=one.pk).state for one in (main, gift)] == ["cancelled"] * 2
    assert not StopRequest.objects.waiting().exists()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        (waits,) = cursor.fetchone() or (False,)
        return bool(waits)
