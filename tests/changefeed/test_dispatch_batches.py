"""Batches: many subjects a request, answered one by one; a bad one is found and hurts nobody."""

import json

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from changefeed.dispatch.verdicts import REFUSALS_TO_PARK
from changefeed.models import Attempt, Change, Endpoint, FeedLane
from changefeed.signatures import new_secret
from tests.changefeed.conftest import drain_once, drain_until_empty, make_all_due
from tests.changefeed.receiver import accept, answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def results(say) -> object:
    """Answers 207 with `say(message)` as the status of each message; None leaves it out."""

    async def reply(request, delivery):
        listed = [
            {"id": message["id"], "status": say(message)}
            for message in delivery.messages
            if say(message) is not None
        ]
        return web.json_response({"results": listed}, status=207)

    return reply


def subject_of(message) -> str:
    return str(message["data"]["subject"]["id"])


def test_a_batch_is_one_signed_message_of_the_messages_as_sent_alone(receiver):
    secret = new_secret()
    endpoint = make_endpoint(url=receiver.url, secrets=[secret], batch_size=50)
    changes(subjects=3, versions=2)

    assert drain_once() == 6

    (delivery,) = receiver.seen
    document = Webhook(secret).verify(delivery.body, delivery.headers)
    assert document["type"] == "batch"
    assert set(document) == {"type", "messages"}
    ids = [message["id"] for message in document["messages"]]
    assert sorted(ids) == sorted(str(one.event_id) for one in Change.objects.all())
    assert delivery.id.startswith("batch_")
    receiver.seen.clear()
    Endpoint.objects.filter(pk=endpoint.pk).update(batch_size=1)
    change("Z", 1)
    drain_once()
    alone = receiver.seen[0].document
    assert set(alone) == set(document["messages"][0])


def test_all_arrive_once_and_in_order_in_few_requests(receiver):
    make_endpoint(url=receiver.url, batch_size=20, concurrency=4)
    changes(subjects=60, versions=7)

    assert drain_once() == 420

    for number in range(60):
        assert receiver.versions(f"O{number}") == list(range(1, 8))
    assert receiver.overlaps == []
    assert len(receiver.seen) <= 60
    assert max(len(one.messages) for one in receiver.seen) == 20
    assert not FeedLane.objects.exists()
    assert sum(Attempt.objects.values_list("messages", flat=True)) == 420


def test_a_single_pending_change_is_sent_at_once_as_a_batch_of_one(receiver):
    make_endpoint(url=receiver.url, batch_size=50)
    change("A", 1)

    assert drain_once() == 1

    assert [len(one.messages) for one in receiver.seen] == [1]
    assert receiver.seen[0].document["type"] == "batch"


def test_a_repeated_batch_has_the_same_id_and_bytes(receiver):
    receiver.behaviour = answer(500)
    make_endpoint(url=receiver.url, batch_size=50)
    change("A", 1)
    drain_once()
    receiver.behaviour = accept
    make_all_due()
    drain_until_empty()

    first, second = receiver.seen
    assert (first.id, first.body) == (second.id, second.body)


def test_items_succeed_and_fail_one_by_one_and_a_failed_one_holds_back_its_own_lane(receiver):
    receiver.behaviour = results(lambda message: 422 if subject_of(message) == "O1" else 200)
    make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=3, versions=2)

    assert drain_once() == 4

    assert len(receiver.seen) == 1
    lane = FeedLane.objects.get()
    assert (lane.subject_id, lane.state, lane.rejections) == ("O1", "backoff", 1)
    first = Change.objects.filter(subject_id="O1").order_by("seq")[0]
    assert lane.head_seq == first.seq
    refused = Attempt.objects.get(subject_id="O1")
    assert (refused.outcome, refused.status, refused.messages) == ("rejected", 422, 1)
    assert refused.batch == receiver.seen[0].id
    assert Endpoint.objects.get().state == "active"


def test_what_is_said_of_a_message_behind_a_failed_one_does_not_count(receiver):
    receiver.behaviour = results(
        lambda message: 500 if message["data"]["subject"]["version"] == 2 else 200
    )
    make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=1, versions=3)

    assert drain_once() == 1

    lane = FeedLane.objects.get()
    second = Change.objects.get(subject_version=2)
    assert (lane.head_seq, lane.rejections) == (second.seq, 0)
    receiver.behaviour = accept
    make_all_due()
    drain_until_empty()
    assert receiver.seen[-1].version == 2 or receiver.versions("O0")[-2:] == [2, 3]


def test_a_message_missing_from_the_results_was_not_taken(receiver):
    receiver.behaviour = results(lambda message: None if subject_of(message) == "O0" else 204)
    make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=2, versions=1)

    assert drain_once() == 1

    assert FeedLane.objects.get().subject_id == "O0"
    assert Attempt.objects.get(subject_id="O0").answer == "not among the results"


@pytest.mark.parametrize("body", ["", "[]", "{}", "not json", json.dumps({"results": "none"})])
def test_a_207_without_readable_results_takes_nothing(receiver, body):
    async def reply(request, delivery):
        return web.Response(status=207, text=body, content_type="application/json")

    receiver.behaviour = reply
    make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=2, versions=1)

    assert drain_once() == 0
    assert FeedLane.objects.count() == 2


def test_results_cut_off_by_their_size_take_nothing(receiver):
    async def reply(request, delivery):
        listed = [
            {"id": one["id"], "status": 500, "why": "x" * 70_000} for one in delivery.messages
        ]
        return web.json_response({"results": listed})

    receiver.behaviour = reply
    make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=2, versions=1)

    assert drain_once() == 0
    assert FeedLane.objects.count() == 2


def test_a_refused_batch_is_halved_until_the_poison_is_alone(receiver):
    async def refuse(request, delivery):
        return web.Response(status=400 if "O17" in delivery.subjects else 200)

    receiver.behaviour = refuse
    make_endpoint(url=receiver.url, batch_size=64, concurrency=1)
    changes(subjects=40, versions=1)

    assert drain_once() == 39

    lane = FeedLane.objects.get()
    assert (lane.subject_id, lane.rejections) == ("O17", 1)
    assert len(receiver.seen) <= 1 + 2 * 6
    assert Endpoint.objects.get().state == "active"
    assert receiver.overlaps == []


def test_a_poison_subject_is_parked_and_the_others_never_notice_again(receiver):
    async def refuse(request, delivery):
        return web.Response(status=422 if "O0" in delivery.subjects else 200)

    receiver.behaviour = refuse
    make_endpoint(url=receiver.url, batch_size=50, concurrency=2)
    for round_number in range(REFUSALS_TO_PARK + 2):
        for number in range(10):
            change(f"O{number}", round_number + 1)
        drain_once()
        make_all_due()

    lane = FeedLane.objects.get()
    assert (lane.subject_id, lane.state, lane.rejections) == ("O0", "parked", REFUSALS_TO_PARK)
    for number in range(1, 10):
        assert receiver.versions(f"O{number}") == list(range(1, REFUSALS_TO_PARK + 3))
    together = [one for one in receiver.seen if "O0" in one.subjects and len(one.subjects) > 1]
    assert len(together) <= 5


def test_a_receiver_that_refuses_everything_is_asked_a_bounded_number_of_times(receiver):
    receiver.behaviour = answer(403)
    make_endpoint(url=receiver.url, batch_size=50, concurrency=1)
    changes(subjects=50, versions=1)

    assert drain_once() == 0

    assert len(receiver.seen) <= 4 * 6 + 4
    assert FeedLane.objects.filter(state="backoff").count() == 50
    assert not FeedLane.objects.filter(rejections__gt=1).exists()


def test_a_batch_that_fails_with_500_comes_back_in_smaller_ones(receiver):
    async def crash(request, delivery):
        return web.Response(status=500 if "O3" in delivery.subjects else 200)

    receiver.behaviour = crash
    make_endpoint(url=receiver.url, batch_size=16, concurrency=1)
    changes(subjects=16, versions=1)

    for _ in range(4):
        drain_once()
        make_all_due()

    assert FeedLane.objects.get().subject_id == "O3"
    assert receiver.seen[-1].subjects == {"O3"}


def test_a_dead_receiver_of_batches_opens_its_breaker_and_loses_nothing(receiver):
    receiver.behaviour = answer(503)
    make_endpoint(url=receiver.url, batch_size=10, concurrency=2)
    changes(subjects=80, versions=2)
    drain_once()
    assert Endpoint.objects.get().state == "open"
    receiver.behaviour = accept

    make_all_due()
    drain_until_empty()

    for number in range(80):
        assert receiver.versions(f"O{number}") == [1, 2]
