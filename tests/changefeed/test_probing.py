"""What closes a breaker: an answer, and nothing else."""

import asyncio

import pytest

from changefeed.dispatch.database import PLACES
from changefeed.dispatch.loop import drain
from changefeed.models import Attempt, Endpoint, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def open_endpoint(url: str, **fields):
    """One that has failed to answer three probes and is due for the next."""
    endpoint = make_endpoint(url=url, **fields)
    change("A", kind="order.held")
    change("B", kind="order.changed")
    Endpoint.objects.update(
        state="open", openings=3, failures=5, opened_until="2000-01-01T00:00:00Z"
    )
    return endpoint


def test_a_lane_of_which_nothing_is_wanted_any_more_is_no_probe(receiver):
    receiver.behaviour = answer(500)
    endpoint = open_endpoint(receiver.url)
    Endpoint.objects.update(kinds=["order.changed"])

    drain_once()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.openings) == ("open", 4)
    assert [one.subject for one in receiver.seen] == ["B"]
    assert FeedLane.objects.get().subject_id == "B"


def test_without_anything_to_send_an_endpoint_stays_unproven(receiver):
    endpoint = open_endpoint(receiver.url)
    Endpoint.objects.update(kinds=["return.approved"])

    drain_once()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.openings) == ("half_open", 3)
    assert receiver.seen == []
    assert not Attempt.objects.exists()
    assert not FeedLane.objects.exists()


def test_a_refusal_is_an_answer_and_closes_the_breaker(receiver):
    receiver.behaviour = answer(422)
    endpoint = open_endpoint(receiver.url)

    drain_once()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.openings, endpoint.failures) == ("active", 0, 0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["0", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_one_that_asks_for_no_pause_is_not_pressed(receiver, status, asked):
    """Both forms of Retry-After; a time gone by is no pause either."""
    receiver.behaviour = answer(status, **{"Retry-After": asked})
    make_endpoint(url=receiver.url, concurrency=1)
    changes(subjects=50, versions=1)

    asyncio.run(drain(seconds=3.0, linger=3.0, places=PLACES))

    assert len(receiver.seen) <= 5
    endpoint = Endpoint.objects.get()
    assert endpoint.state in ("open", "half_open")
    assert endpoint.openings == 0
