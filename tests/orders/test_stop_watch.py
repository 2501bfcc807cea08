"""A warehouse that does not answer: told once a request, and its end; asked again, once a press."""

import threading
from datetime import timedelta
from typing import Any

import apprise
import pytest
from django.db import connection, connections

from changefeed import watching
from changefeed.models import AlertDigest, FeedAlert
from config.beat_schedule import SCHEDULE
from orders import stop_watch, tasks
from orders.errors import AlreadyDone, NotFound, WrongState
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.recalling import ask_again, recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Order, StopRequest
from tests.orders.acting import (
    CRM,
    WMS,
    acts,
    feed,
    nothing_changes,
    now_seq,
    placed,
    supervisor,
    the_change,
)
from tests.orders.test_lifecycle_recalling import subscription

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("world")]
HEADING = "Sluice orders\na warehouse has not said whether it stopped a parcel: call it\n"


@pytest.fixture
def told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that the alert services took."""
    settings.ALERT_URLS = ["json://user:s3cret@127.0.0.1:1/hook"]
    settings.LANGUAGE_CODE = "en"
    texts: list[str] = []

    def notify(self: Any, body: str, title: str = "", **options: Any) -> bool:
        texts.append(f"{title}\n{body}")
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    return texts


def asked(number: str = "W-1", street: str = "莫干山路 1 号") -> Order:
    order = placed(number)
    dispatch_ready()
    fields = {"ship_to": {"street": street, "name": "欧阳娜娜"}}
    change_order(number, version=None, fields=fields, actor=CRM, reason="13912345678 called")
    return order


def pass_time(**how_long: float) -> None:
    """As if everything so far had happened that much earlier, by the database's clock."""
    past = timedelta(**how_long).total_seconds()
    with connection.cursor() as cursor:
        for table, *columns in (
            ("orders_stoprequest", "requested_at"),
            ("orders_shipment", "freeze_requested_at"),
            ("changefeed_alertdigest", "composed_at", "taken_until"),
        ):
            shifted = [f"{name} = {name} - make_interval(secs => %s)" for name in columns]
            cursor.execute(f"UPDATE {table} SET {', '.join(shifted)}", [past] * len(columns))


def test_a_silent_warehouse_is_told_once_and_its_answer_too(told: list[str]) -> None:
    asked()
    stop_watch.watch_stops()
    pass_time(minutes=14)
    stop_watch.watch_stops()
    assert told == []

    pass_time(minutes=1)
    for _round in range(3):
        stop_watch.watch_stops()
    pass_time(minutes=200)
    stop_watch.watch_stops()
    assert told == [HEADING + "W-1 · EAST-1: no answer for 15 min"]

    record_shipment_event("W-1-1", "freeze_refused", actor=WMS)
    stop_watch.watch_stops()
    stop_watch.watch_stops()

    assert told[1:] == [HEADING + "W-1 · EAST-1: settled"]
    assert not FeedAlert.objects.exists()


def test_an_answer_before_the_time_is_over_is_nobodys_business(told: list[str]) -> None:
    asked()
    pass_time(minutes=14)
    record_shipment_event("W-1-1", "freeze_ack", actor=WMS)
    pass_time(minutes=20)

    stop_watch.watch_stops()

    assert told == []


def test_the_time_is_a_setting(told: list[str], settings: Any) -> None:
    settings.STOP_ALERT_MINUTES = 60
    asked()
    pass_time(minutes=59)
    stop_watch.watch_stops()
    assert told == []

    pass_time(minutes=61)
    stop_watch.watch_stops()

    assert told == [HEADING + "W-1 · EAST-1: no answer for 2 h"]


def test_the_next_request_for_the_same_order_is_told_anew(told: list[str]) -> None:
    order = asked()
    pass_time(minutes=15)
    stop_watch.watch_stops()
    record_shipment_event("W-1-1", "freeze_refused", actor=WMS)
    recall_order(order.pk, actor=supervisor(), reason="again")
    pass_time(minutes=15)

    stop_watch.watch_stops()

    assert told[1:] == [
        HEADING + "W-1 · EAST-1: no answer for 15 min\nW-1 · EAST-1: settled",
    ]


def test_many_silent_requests_are_one_message_with_an_end(told: list[str]) -> None:
    for index in range(23):
        asked(f"W-{index:02}")
    pass_time(minutes=30)

    stop_watch.watch_stops()

    (text,) = told
    lines = text.splitlines()
    assert lines[2] == "W-00 · EAST-1: no answer for 30 min"
    assert (len(lines), lines[-1]) == (2 + 20 + 1, "and 3 more")


def test_an_alert_names_nobody_and_quotes_nothing(told: list[str]) -> None:
    asked(street="金色家园 7 幢")
    pass_time(minutes=15)

    stop_watch.watch_stops()

    for private in ("欧阳", "13912345678", "金色家园", "s3cret"):
        assert private not in told[0]


def test_an_orders_number_cannot_add_lines(told: list[str]) -> None:
    asked()
    Order.objects.update(number="W-1\nall is well")
    pass_time(minutes=15)

    stop_watch.watch_stops()

    assert told[0].splitlines()[-1] == "W-1 all is well · EAST-1: no answer for 15 min"


def test_what_no_service_took_is_sent_again(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    pass_time(minutes=15)
    taking = apprise.Apprise.notify
    monkeypatch.setattr(apprise.Apprise, "notify", lambda *_args, **_options: False)
    stop_watch.watch_stops()
    assert AlertDigest.objects.get(kind="orders.stop").unsent

    monkeypatch.setattr(apprise.Apprise, "notify", taking)
    pass_time(seconds=61)
    stop_watch.watch_stops()

    assert len(told) == 1
    assert AlertDigest.objects.get(kind="orders.stop").unsent == ""


def test_the_feeds_own_watch_leaves_these_alerts_alone(told: list[str]) -> None:
    asked()
    pass_time(minutes=15)
    stop_watch.watch_stops()
    watching.watch()

    alert = FeedAlert.objects.get()
    assert (alert.kind, alert.cleared_at) == ("orders.stop", None)


def test_the_beat_runs_it() -> None:
    entry = SCHEDULE["watch stop requests"]
    assert entry["task"] == tasks.watch_stop_requests.name


# --- two connections ---


def in_threads(count: int, act: Any) -> list[Any]:
    """What each of so many at once answered, or raised."""
    barrier, answers = threading.Barrier(count), []

    def run() -> None:
        try:
            barrier.wait()
            answers.append(act())
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_beats_at_once_alert_once(told: list[str]) -> None:
    asked()
    pass_time(minutes=15)

    assert in_threads(4, stop_watch.watch_stops) == [None] * 4
    stop_watch.watch_stops()

    assert len(told) == 1


def test_a_beat_during_another_does_nothing(told: list[str]) -> None:
    asked()
    pass_time(minutes=15)
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (stop_watch._WATCH_LOCK,))
        stop_watch.watch_stops()
        assert (told, FeedAlert.objects.count()) == ([], 0)
    finally:
        holder.close()
    stop_watch.watch_stops()
    assert len(told) == 1


def test_two_who_ask_again_at_once_ask_once() -> None:
    order, actor = asked(), supervisor()
    pass_time(minutes=15)
    before = now_seq()

    answers = in_threads(2, lambda: ask_again(order.pk, actor=actor).pk)

    assert sorted(type(one).__name__ for one in answers) == ["AlreadyDone", "int"]
    assert feed(order, before) == ["shipment.freeze_requested"]


def test_asking_again_and_the_answer_at_once_leave_one_answered_request() -> None:
    order, actor = asked(), supervisor()
    pass_time(minutes=15)
    acts_at_once = iter(
        [
            lambda: ask_again(order.pk, actor=actor).pk,
            lambda: record_shipment_event("W-1-1", "freeze_ack", actor=WMS).pk,
        ]
    )

    answers = in_threads(2, lambda: next(acts_at_once)())

    assert not [one for one in answers if not isinstance(one, int | WrongState)]
    assert StopRequest.objects.get().state == "carried_out"
    assert Order.objects.get().street == "莫干山路 1 号"


def test_the_answers_for_main_order_and_gift_at_once_decide_both() -> None:
    for round_ in range(5):
        main, gift = placed(f"M-{round_}"), placed(f"G-{round_}", gift_for=f"M-{round_}")
        dispatch_ready()
        cancel_order(main.number, actor=CRM, reason="refund")
        reports = iter([(f"M-{round_}-1", "freeze_ack"), (f"G-{round_}-1", "freeze_ack")])

        answers = in_threads(2, lambda due=reports: record_shipment_event(*next(due), actor=WMS).pk)

        assert all(isinstance(one, int) for one in answers), answers
        found = Order.objects.filter(pk__in=[main.pk, gift.pk]).values_list("state", flat=True)
        assert list(found) == ["cancelled", "cancelled"]


# --- asking again ---


def test_asking_again_is_a_new_request_on_the_feed_and_one_answer_is_enough() -> None:
    order = asked()
    pass_time(minutes=2)
    before, version = now_seq(), Order.objects.get().version

    ask_again(order.pk, actor=supervisor())

    assert feed(order, before) == ["shipment.freeze_requested"]
    assert the_change(seq__gt=before).new["number"] == "W-1-1"
    assert acts(order)[-1][0] == "stop_asked_again"
    assert (StopRequest.objects.count(), Order.objects.get().version) == (1, version)
    record_shipment_event("W-1-1", "freeze_refused", actor=WMS)
    with nothing_changes():
        record_shipment_event("W-1-1", "freeze_refused", actor=WMS)
    assert StopRequest.objects.get().state == "refused"


def test_asking_again_at_once_is_refused() -> None:
    order = asked()

    with nothing_changes(), pytest.raises(AlreadyDone):
        ask_again(order.pk, actor=supervisor())


def test_only_parcels_that_said_nothing_are_asked_again() -> None:
    order = subscription()
    recall_order(order.pk, actor=supervisor(), reason="pause")
    record_shipment_event("R-1-1", "freeze_ack", actor=WMS)
    pass_time(minutes=2)
    before = now_seq()

    ask_again(order.pk, actor=supervisor())

    assert the_change(seq__gt=before).new["number"] == "R-1-2"
    record_shipment_event("R-1-2", "freeze_ack", actor=WMS)
    assert StopRequest.objects.get().state == "carried_out"


def test_nothing_is_asked_again_where_nobody_waits() -> None:
    order = asked()
    record_shipment_event("W-1-1", "freeze_refused", actor=WMS)
    pass_time(minutes=2)

    with nothing_changes(), pytest.raises(WrongState):
        ask_again(order.pk, actor=supervisor())
    with pytest.raises(NotFound):
        ask_again(0, actor=supervisor())
