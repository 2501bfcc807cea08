"""Who has been told what about one subject: arrived, waiting, parked, skipped, fetched."""

from datetime import timedelta

import pytest
from django.utils import timezone

from changefeed import keys, lifecycle
from changefeed.models import Change, FeedLane
from changefeed.reading import read_page
from changefeed.telling import pulled_about, told_about
from tests.changefeed.admin_pages import attempt, park
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db


def seqs(subject: str = "O1") -> list[int]:
    rows = Change.objects.filter(subject_kind="order", subject_id=subject)
    return list(rows.order_by("seq").values_list("seq", flat=True))


def test_what_an_endpoint_takes_and_still_waits_for():
    make_endpoint(name="all")
    make_endpoint(name="some", kinds=["order.held"])
    make_endpoint(name="other", kinds=["return.*"])
    change("O1")
    change("O1", 2, kind="order.held")
    change("O2")

    everything, other, some = told_about("order", "O1")

    first, second = seqs()
    assert (everything.name, everything.wanted, everything.pending) == (
        *("all", frozenset({first, second})),
        frozenset({first, second}),
    )
    assert (some.wanted, some.pending) == (frozenset({second}), frozenset({second}))
    assert (other.wanted, other.pending, other.lane_id) == (frozenset(), frozenset(), None)
    assert everything.news_of([first]).outcome == "waiting"
    assert some.news_of([first]).outcome == "unasked"


def test_who_came_later_takes_what_it_was_not_told():
    change("O1")
    make_endpoint(name="late")
    make_endpoint(name="elsewhere", kinds=["return.*"])

    elsewhere, late = told_about("order", "O1")

    assert (late.wanted, late.is_newcomer) == (frozenset(), True)
    assert (elsewhere.wanted, elsewhere.is_newcomer) == (frozenset(), False)
    change("O1", 2)
    _elsewhere, late = told_about("order", "O1")
    assert (late.wanted, late.pending) == (frozenset(seqs()[1:]), frozenset(seqs()[1:]))


@pytest.mark.django_db(transaction=True)
def test_who_came_later_knows_what_was_replayed(receiver):
    change("O1")
    endpoint = make_endpoint(url=receiver.url)
    lifecycle.replay(endpoint, lifecycle.Selection("order", "O1"), actor="user:1", reason="new")

    assert drain_once() == 1

    (told,) = told_about("order", "O1")
    assert (told.wanted, told.pending) == (frozenset(seqs()), frozenset())
    assert told.news_of(seqs()).outcome == "arrived"


@pytest.mark.django_db(transaction=True)
def test_what_arrived_says_when(receiver):
    make_endpoint(receiver.url)
    change("O1")
    change("O1", 2)

    assert drain_once() == 2

    (told,) = told_about("order", "O1")
    assert (told.pending, told.lane_id, told.is_parked) == (frozenset(), None, False)
    assert [seq for seq, _at in told.arrivals] == seqs()
    news = told.news_of(seqs())
    assert (news.outcome, news.at) == ("arrived", told.told_at)
    assert told.told_at
    assert timezone.now() - told.told_at < timedelta(minutes=1)


def test_a_parked_change_and_one_given_up():
    endpoint = make_endpoint()
    change("O1")
    change("O1", 2)
    first, second = seqs()
    lane = park(FeedLane.objects.get())
    attempt(lane)

    (told,) = told_about("order", "O1")
    assert (told.is_parked, told.lane_id, told.told_at) == (True, lane.pk, None)
    assert told.news_of([first]).outcome == "parked"

    assert lifecycle.skip_change(lane, actor="user:ops", reason="no such SKU") == first
    (told,) = told_about("order", "O1")
    assert told.skipped == {first}
    assert told.news_of([first]).outcome == "skipped"
    assert told.news_of([second]).outcome == "waiting"
    assert endpoint.pk == told.endpoint_id


def test_what_was_recorded_before_an_endpoint_is_no_news_for_it():
    change("O1")
    make_endpoint()

    (told,) = told_about("order", "O1")

    assert (told.wanted, told.pending) == (frozenset(), frozenset())


@pytest.mark.django_db(transaction=True)
def test_a_consumer_knows_what_it_acknowledged():
    key = keys.create_key("ERP", source="erp", scopes=["feed:read"])[0]
    keys.create_key("never asked", source="x", scopes=["feed:read"])
    change("O1")
    page = read_page(key, None, 10)
    (pulled,) = pulled_about("order", "O1")
    assert (pulled.name, pulled.pending) == ("ERP", frozenset(seqs()))

    read_page(key, page.next_cursor, 10)
    (pulled,) = pulled_about("order", "O1")
    assert pulled.pending == frozenset()

    change("O1", 2)
    change("O2")
    (pulled,) = pulled_about("order", "O1")
    assert pulled.pending == {seqs()[-1]}

    keys.revoke_key(key)
    assert pulled_about("order", "O1") == []
