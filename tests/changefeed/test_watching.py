"""Alerts: one message per kind and quarter of an hour, the end of it told too, nothing private."""

from datetime import timedelta

import apprise
import pytest
from django.db import connection

from changefeed import lifecycle, tasks, watching
from changefeed.clock import database_now
from changefeed.keys import create_key
from changefeed.models import AlertDigest, Endpoint, FeedAlert, FeedLane, LagSample, PullCursor
from changefeed.reading import read_page
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

SECRET_URL = "json://user:s3cret@127.0.0.1:1/hook"


@pytest.fixture
def told(settings, monkeypatch):
    """Texts that the alert services took."""
    settings.ALERT_URLS = [SECRET_URL]
    settings.LANGUAGE_CODE = "en"
    texts: list[str] = []

    def notify(self, body, title="", **options):
        texts.append(f"{title}\n{body}")
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    return texts


def pass_time(**how_long) -> None:
    """As if everything so far had happened that much earlier."""
    with connection.cursor() as cursor:
        seconds = timedelta(**how_long).total_seconds()
        cursor.execute(
            "UPDATE changefeed_alertdigest"
            " SET composed_at = composed_at - make_interval(secs => %s),"
            " taken_until = taken_until - make_interval(secs => %s)",
            (seconds, seconds),
        )
        cursor.execute(
            "UPDATE changefeed_feedalert SET raised_at = raised_at - make_interval(secs => %s)",
            (seconds,),
        )


def park(subject: str) -> None:
    FeedLane.objects.filter(subject_id=subject).update(state="parked", due_at=None)


def test_parked_subjects_are_told_once_then_their_end(told):
    make_endpoint(name="WMS", url="https://wms.example/hook?token=hush")
    change("O-PRIVATE", 1)
    park("O-PRIVATE")

    watching.watch()
    watching.watch()
    pass_time(minutes=20)
    watching.watch()

    assert told == ["Sluice change feed\nsubjects wait for a person\nWMS: 1 subject parked"]
    FeedLane.objects.all().delete()
    watching.watch()
    assert told[1:] == ["Sluice change feed\nsubjects wait for a person\nWMS: over"]
    assert not FeedAlert.objects.exists()


def test_no_text_holds_an_address_a_subject_or_a_secret(told):
    endpoint = make_endpoint(name="WMS", url="https://wms.example/hook?token=hush")
    change("O-PRIVATE", 1)
    park("O-PRIVATE")
    Endpoint.objects.update(state="open", state_reason="HTTP 500 from hush 13800000000")
    watching.watch()
    pass_time(minutes=20)
    watching.watch()

    text = "\n".join(told)
    for private in ("O-PRIVATE", "hush", "13800000000", "wms.example", *endpoint.secrets):
        assert private not in text
    assert "WMS: not answering, 1 subject waiting" in text


def test_more_parked_subjects_are_news_but_not_before_the_pause_is_over(told):
    make_endpoint(name="WMS")
    change("A")
    change("B")
    park("A")
    watching.watch()
    park("B")
    watching.watch()
    assert len(told) == 1

    pass_time(minutes=16)
    watching.watch()

    assert told[1].endswith("WMS: 2 subjects parked")


def test_a_breaker_that_closes_soon_is_nobodys_business(told):
    make_endpoint(name="WMS", state="open")
    watching.watch()
    Endpoint.objects.update(state="active")
    watching.watch()
    pass_time(minutes=20)
    watching.watch()
    assert told == []


def test_lag_is_told_above_the_threshold_and_parked_subjects_are_no_lag(told, settings):
    make_endpoint(name="WMS")
    change("A")
    change("B")
    park("B")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE changefeed_feedlane SET pending_since = now() - interval '299 s'"
            " WHERE subject_id = 'A'"
        )
        cursor.execute(
            "UPDATE changefeed_feedlane SET pending_since = now() - interval '1 day'"
            " WHERE subject_id = 'B'"
        )
    FeedAlert.objects.all().delete()
    settings.FEED_ALERT_LAG_SECONDS = 400
    watching.watch()
    assert not [text for text in told if "behind" in text]

    settings.FEED_ALERT_LAG_SECONDS = 200
    watching.watch()

    assert [text for text in told if "WMS: behind by" in text]


def test_a_long_writing_transaction_is_told(told, monkeypatch):
    monkeypatch.setattr(watching, "longest_writer_seconds", lambda: 61.0)
    watching.watch()
    monkeypatch.setattr(watching, "longest_writer_seconds", lambda: 0.0)
    pass_time(minutes=20)
    watching.watch()

    assert [text.splitlines()[-1] for text in told] == [
        "A writing transaction has been open for 61 s.",
        "feed: over",
    ]


def test_what_no_service_took_is_sent_again_later_and_not_lost(told, monkeypatch):
    make_endpoint(name="WMS")
    change("A")
    park("A")
    tries: list[str] = []

    def refuse(self, body, title="", **options):
        tries.append(body)
        return False

    taking = apprise.Apprise.notify
    monkeypatch.setattr(apprise.Apprise, "notify", refuse)
    watching.watch()
    watching.watch()
    assert len(tries) == 1
    assert AlertDigest.objects.get(kind="parked").unsent == tries[0]

    monkeypatch.setattr(apprise.Apprise, "notify", taking)
    pass_time(seconds=61)
    watching.watch()

    assert len(told) == 1
    assert AlertDigest.objects.get(kind="parked").unsent == ""


def test_a_watch_during_another_does_nothing(told):
    make_endpoint(name="WMS")
    change("A")
    park("A")
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (watching._WATCH_LOCK,))
        tasks.watch_feed()
        assert told == []
        assert not FeedAlert.objects.exists()
    finally:
        holder.close()


def test_lag_is_sampled_once_a_minute_however_often_it_is_watched(told):
    make_endpoint(name="WMS")
    change("A")

    watching.watch()
    watching.watch()

    samples = LagSample.objects.all()
    assert 1 <= samples.count() <= 2
    assert {(one.pending_lanes, one.parked_lanes) for one in samples} == {(1, 0)}


def test_without_a_service_the_alert_is_logged(settings, capsys):
    settings.ALERT_URLS = []
    make_endpoint(name="WMS")
    change("A")
    park("A")

    watching.watch()

    assert AlertDigest.objects.get(kind="parked").unsent == ""


def test_an_address_that_takes_no_more_messages_is_told_at_once(told, receiver):
    receiver.behaviour = answer(410)
    endpoint = make_endpoint(name="WMS", url=receiver.url)
    change("A")
    drain_once()
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("paused", "HTTP 410")

    watching.watch()

    heading = "Sluice change feed\nan address takes no more messages"
    assert told == [
        f"{heading}\nWMS: takes no more messages at its address and is paused, 1 subject waiting"
    ]
    lifecycle.resume_endpoint(endpoint, actor="user:eve")
    pass_time(minutes=20)
    watching.watch()
    assert told[1:] == [f"{heading}\nWMS: over"]


def test_a_pause_by_a_person_alerts_nobody(told):
    endpoint = make_endpoint(name="WMS", url="https://wms.example/hook")
    change("A")
    lifecycle.pause_endpoint(endpoint, actor="user:eve", reason="moving house")

    watching.watch()

    assert told == []


def test_a_consumer_that_stopped_pulling_is_told_while_changes_wait_for_it(told):
    key, _plain = create_key("ERP", source="erp", scopes=["feed:read"])
    create_key("never asked", source="x", scopes=["feed:read"])
    cursor = read_page(key, None, 10).next_cursor
    change("A")

    def unheard_for(minutes: int) -> None:
        PullCursor.objects.update(seen_at=database_now() - timedelta(minutes=minutes))

    unheard_for(59)
    watching.watch()
    assert told == []

    unheard_for(61)
    watching.watch()
    assert told == [
        "Sluice change feed\na consumer has stopped pulling\nERP: has not asked for 61 min"
    ]

    pass_time(minutes=20)
    cursor = read_page(key, cursor, 10).next_cursor
    read_page(key, cursor, 10)
    watching.watch()
    assert told[1:] == ["Sluice change feed\na consumer has stopped pulling\nERP: over"]

    change("B")
    unheard_for(600)
    pass_time(minutes=20)
    watching.watch()
    assert told[2:] == [
        "Sluice change feed\na consumer has stopped pulling\nERP: has not asked for 10 h"
    ]

    read_page(key, read_page(key, cursor, 10).next_cursor, 10)
    watching.watch()
    pass_time(minutes=20)
    watching.watch()
    unheard_for(600)
    pass_time(minutes=20)
    watching.watch()
    assert len(told) == 4, "nothing waits for it"


def test_a_name_adds_no_line_to_an_alert(told):
    make_endpoint(name="WMS\r\n\x1b[31mERP: over\u2028", url="https://wms.example/hook")
    change("A")
    park("A")

    watching.watch()

    (text,) = told
    assert text.splitlines()[2:] == ["WMS   [31mERP: over : 1 subject parked"]
    assert "\x1b" not in text
