"""Sending again: the count comes first, a reason is asked for, twice is once."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from changefeed.admin import replaying
from changefeed.models import FeedLane, Replay
from tests.changefeed.admin_pages import page, role, root
from tests.changefeed.conftest import drain_until_empty
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def endpoint():
    made = make_endpoint(name="WMS")
    changes(subjects=3, versions=2)
    FeedLane.objects.all().delete()
    return made


def ask(client, endpoint, **wish):
    return client.get(f"/admin/changefeed/endpoint/{endpoint.pk}/replay/", wish)


def confirm(client, endpoint, **wish):
    wish.setdefault("key", str(uuid.uuid4()))
    wish.setdefault("reason", "they lost a day")
    return client.post(f"/admin/changefeed/endpoint/{endpoint.pk}/replay/", wish, follow=True)


@pytest.mark.parametrize(
    ("wish", "subjects", "messages"),
    [
        ({"scope": "subject", "subject": "O1"}, "1", "2"),
        ({"scope": "subject", "subject": "order:O1"}, "1", "2"),
        ({"scope": "range", "since": "2020-01-01T00:00"}, "3", "6"),
        ({"scope": "range", "since": "2020-01-01T00:00", "until": "2099-01-01T00:00:00"}, "3", "6"),
        ({"scope": "all"}, "3", "6"),
        ({"scope": "all", "subject": "O1"}, "3", "6"),
    ],
)
def test_the_count_is_shown_before_anything_happens(endpoint, wish, subjects, messages):
    response = ask(role("operations"), endpoint, **wish)

    assert response.context["count"] == {"subjects": subjects, "messages": messages}
    shown = response.content.decode()
    assert f"To be sent again to WMS: messages {messages}, subjects {subjects}." in shown
    assert not FeedLane.objects.exists()
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    "wish",
    [
        {"scope": "subject", "subject": "nobody"},
        {"scope": "subject", "subject": "sku:O1"},
        {"scope": "range", "since": "2099-01-01T00:00"},
    ],
)
def test_where_there_is_nothing_there_is_nothing_to_confirm(endpoint, wish):
    shown = ask(role("operations"), endpoint, **wish).content.decode()

    assert "Nothing would be sent again" in shown
    assert 'name="reason"' not in shown


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"scope": "subject"}, "subject"),
        ({"scope": "range"}, "since"),
        ({"scope": "range", "since": "yesterday"}, "since"),
        (
            {"scope": "range", "since": "2026-01-02T00:00", "until": "2026-01-01T00:00"},
            "until",
        ),
        ({"scope": "everything"}, "scope"),
        ({"scope": "subject", "subject": "order:"}, "until"),
    ],
)
def test_an_odd_wish_is_refused(endpoint, wish, field):
    client = role("operations")

    asked = ask(client, endpoint, **wish)
    confirmed = confirm(client, endpoint, **wish)

    for response in (asked, confirmed):
        assert field in response.context["wish"].errors
        assert "confirm" not in response.context or "count" not in response.context
    assert not Replay.objects.exists()
    assert not FeedLane.objects.exists()


def test_times_are_the_shops(endpoint):
    before = timezone.localtime(timezone.now() - timedelta(minutes=5))
    after = timezone.localtime(timezone.now() + timedelta(minutes=5))
    client = role("operations")

    found = ask(client, endpoint, scope="range", since=f"{before:%Y-%m-%dT%H:%M:%S}")
    none = ask(client, endpoint, scope="range", since=f"{after:%Y-%m-%dT%H:%M:%S}")

    assert found.context["count"]["messages"] == "6"
    assert none.context["is_nothing"] is True


@pytest.mark.django_db(transaction=True)
def test_a_confirmed_replay_is_sent_with_the_same_ids(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    change("A", 2)
    drain_until_empty()
    first = [one.id for one in receiver.seen]

    response = confirm(role("operations"), endpoint, scope="subject", subject="A")
    assert "Subjects being sent again: 1." in response.content.decode()
    drain_until_empty()

    assert [one.id for one in receiver.seen] == [*first, *first]
    asked = Replay.objects.get()
    assert asked.reason == "they lost a day"
    assert asked.actor.startswith("user:operations-")


def test_pressing_twice_is_asking_once(endpoint):
    client, key = role("operations"), str(uuid.uuid4())

    confirm(client, endpoint, scope="all", key=key)
    confirm(client, endpoint, scope="all", key=key)

    assert Replay.objects.get().subjects == 3
    assert FeedLane.objects.count() == 3


@pytest.mark.parametrize("missing", [{"reason": ""}, {"key": "no uuid"}])
def test_without_reason_or_key_nothing_is_sent(endpoint, missing):
    response = confirm(role("operations"), endpoint, scope="all", **missing)

    assert response.context["confirm"].errors
    assert response.context["count"]["messages"] == "6"
    assert not Replay.objects.exists()


def test_a_count_that_takes_too_long_gives_a_bound(endpoint, monkeypatch):
    monkeypatch.setattr(replaying, "_count", lambda _endpoint, _selection: None)

    shown = ask(role("operations"), endpoint, scope="all").content.decode()

    assert "at most 6 messages" in shown
    assert 'name="reason"' in shown


def test_a_paused_endpoint_says_that_the_replay_waits(endpoint):
    endpoint.state = "paused"
    endpoint.save()

    shown = ask(role("operations"), endpoint, scope="all").content.decode()

    assert "the replay waits with everything else" in shown


def test_replays_are_listed_with_their_progress(endpoint):
    client = role("operations")
    confirm(client, endpoint, scope="subject", subject="O1", reason="<b>lost")
    running = Replay.objects.create(
        endpoint=endpoint, actor="user:x", first_seq=1, next_seq=51, last_seq=100
    )

    response = ask(client, endpoint)

    rows = response.context["replays"]
    assert [(row["what"], row["share"], row["state"]) for row in rows] == [
        ("everything kept", 50, "choosing, 50 %"),
        ("order O1", 100, "being sent"),
    ]
    assert rows[1]["pending"] == "1"
    assert "&lt;b&gt;lost" in response.content.decode()
    FeedLane.objects.all().delete()
    running.delete()
    (row,) = ask(client, endpoint).context["replays"]
    assert (row["state"], row["is_pending"]) == ("all sent again", False)
    assert "order O1" in page(client, "replay/")


def test_a_replay_that_is_over_is_not_said_to_go_on_because_of_a_later_one(endpoint):
    client = role("operations")
    confirm(client, endpoint, scope="subject", subject="O1", reason="lost")
    FeedLane.objects.all().delete()
    confirm(client, endpoint, scope="subject", subject="O2", reason="lost too")

    rows = ask(client, endpoint).context["replays"]

    assert [(row["what"], row["state"], row["sent_share"]) for row in rows] == [
        ("order O2", "being sent", 0),
        ("order O1", "all sent again", 0),
    ]
    assert "Replay of order O2: lost too" in page(root(), f"endpoint/{endpoint.pk}/history/")


def call_off(client, endpoint, **more):
    return client.post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/replay/call-off/", follow=True, **more
    )


@pytest.mark.django_db(transaction=True)
def test_a_replay_can_be_called_off_once(endpoint):
    client = role("operations")
    assert "Call off" not in ask(client, endpoint).content.decode()
    confirm(client, endpoint, scope="all")
    assert "Call off" in ask(client, endpoint).content.decode()

    said = call_off(client, endpoint).content.decode()

    assert "Nothing more is sent again. What was pending still comes, in order." in said
    assert not FeedLane.objects.exists()
    (row,) = ask(client, endpoint).context["replays"]
    assert (row["is_over"], row["is_pending"]) == (True, False)
    assert row["state"] == f"called off by {Replay.objects.get().called_off_by[5:]}"
    assert "Call off" not in ask(client, endpoint).content.decode()
    assert "Nothing was being sent again any more." in call_off(client, endpoint).content.decode()
    assert "Replays called off" in page(root(), f"endpoint/{endpoint.pk}/history/")


def test_who_may_not_replay_may_not_call_off(endpoint):
    confirm(role("operations"), endpoint, scope="all")

    assert call_off(role("supervisor"), endpoint).status_code == 403
    url = f"/admin/changefeed/endpoint/{endpoint.pk}/replay/call-off/"
    assert role("operations").get(url).status_code == 405

    assert Replay.objects.get().called_off_at is None
    assert FeedLane.objects.count() == 3


def test_who_may_not_settle_may_not_replay(endpoint):
    client = role("supervisor")

    assert ask(client, endpoint, scope="all").status_code == 403
    assert confirm(client, endpoint, scope="all").status_code == 403
    assert "/replay/" not in page(client, f"endpoint/{endpoint.pk}/change/")
    assert f"endpoint/{endpoint.pk}/replay/" in page(
        role("operations"), f"endpoint/{endpoint.pk}/change/"
    )
    assert not Replay.objects.exists()


def test_an_unknown_endpoint_is_not_found(db):
    assert root().get("/admin/changefeed/endpoint/4711/replay/").status_code == 404
