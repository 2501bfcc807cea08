"""What closes a breaker: an answer, and nothing else."""

import pytest

from changefeed.models import Attempt, Endpoint, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, make_endpoint

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
