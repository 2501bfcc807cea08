"""Everything arrives: in order per subject, signed, once unless something breaks."""

import asyncio
import json
import time

import pytest
from aiohttp import web
from django.db import connection
from standardwebhooks import Webhook

from changefeed import lifecycle
from changefeed.dispatch.verdicts import REFUSALS_TO_PARK
from changefeed.keys import create_key
from changefeed.lifecycle import Selection
from changefeed.models import Attempt, Change, Endpoint, FeedLane
from changefeed.reading import read_page
from changefeed.signatures import new_secret
from tests.changefeed.conftest import drain_once, drain_until_empty, make_all_due
from tests.changefeed.receiver import accept, answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_says_what_changed_and_its_signature_holds(receiver):
    secret = new_secret()
    make_endpoint(url=receiver.url, secrets=[secret])
    change("A", 3, field="ship_to_city", old="杭州市", new={"b": 1, "a": "12.50"})

    assert drain_once() == 1

    (delivery,) = receiver.seen
    row = Change.objects.get()
    assert Webhook(secret).verify(delivery.body, delivery.headers) == {
        "id": str(row.event_id),
        "type": "order.changed",
        "timestamp": row.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "data": {
            "seq": row.seq,
            "subject": {"kind": "order", "id": "A", "version": 3},
            "field": "ship_to_city",
            "old": "杭州市",
            "new": {"a": "12.50", "b": 1},
            "actor": "user:test",
            "source": "sluice",
            "schema_version": 1,
        },
    }
    assert delivery.id == str(row.event_id)
    assert delivery.headers["content-type"] == "application/json"
    assert not FeedLane.objects.exists()


def test_old_and_new_secret_both_verify_during_a_rotation(receiver):
    old, new = new_secret(), new_secret()
    make_endpoint(url=receiver.url, secrets=[new, old])
    change("A")

    drain_once()

    (delivery,) = receiver.seen
    for secret in (old, new):
        assert Webhook(secret).verify(delivery.body, delivery.headers)


def test_versions_arrive_in_order_once_and_never_two_of_one_subject_at_a_time(receiver):
    async def slowly(request, delivery):
        await asyncio.sleep(0.002)
        return web.Response(status=204)

    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=40, versions=25)

    assert drain_once() == 1000

    for number in range(40):
        assert receiver.versions(f"O{number}") == list(range(1, 26))
    assert receiver.overlaps == []
    assert not FeedLane.objects.exists()
    assert Attempt.objects.filter(outcome="delivered", status=204).count() == 1000


def test_only_what_an_endpoint_wants_is_sent(receiver):
    make_endpoint(url=receiver.url, kinds=["order.held"])
    change("A", 1, kind="order.placed")
    change("A", 2, kind="order.held")
    change("A", 3, kind="order.placed")

    assert drain_once() == 1
    assert receiver.versions("A") == [2]
    assert not FeedLane.objects.exists()


def test_a_lane_whose_filter_was_narrowed_meanwhile_just_ends(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A")
    Endpoint.objects.filter(pk=endpoint.pk).update(kinds=["return.approved"])

    assert drain_once() == 0
    assert receiver.seen == []
    assert not FeedLane.objects.exists()


def test_everything_arrives_in_order_after_the_receiver_was_down(receiver):
    make_endpoint(url=receiver.url)
    receiver.behaviour = answer(500)
    changes(subjects=20, versions=5)
    assert drain_once() == 0
    assert Endpoint.objects.get().state == "open"
    assert FeedLane.objects.count() == 20
    receiver.behaviour = accept

    make_all_due()
    delivered = drain_until_empty()

    assert delivered == 100
    for number in range(20):
        assert receiver.versions(f"O{number}") == [1, 2, 3, 4, 5]
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.failures, endpoint.openings) == ("active", 0, 0)


def test_an_unreachable_receiver_opens_the_breaker_and_drops_nothing():
    make_endpoint(url="http://127.0.0.1:9/hook")
    changes(subjects=30, versions=2)

    assert drain_once() == 0

    endpoint = Endpoint.objects.get()
    assert endpoint.state == "open"
    assert endpoint.opened_until is not None
    assert FeedLane.objects.filter(due_at__isnull=False).count() == 30
    before = Attempt.objects.count()
    assert drain_once() == 0
    assert Attempt.objects.count() == before


def test_a_probe_is_one_request_and_its_failure_lengthens_the_wait(receiver):
    make_endpoint(url=receiver.url)
    receiver.behaviour = answer(503)
    changes(subjects=30, versions=1)
    drain_once()
    before = len(receiver.seen)

    make_all_due()
    drain_once()

    assert len(receiver.seen) == before + 1
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.openings) == ("open", 2)


def test_one_poison_subject_neither_stops_the_others_nor_the_endpoint(receiver):
    async def poison(request, delivery):
        return web.Response(status=500 if delivery.subject == "O0" else 204)

    receiver.behaviour = poison
    make_endpoint(url=receiver.url)
    changes(subjects=10, versions=3)

    for _ in range(8):
        drain_once()
        make_all_due()

    assert Endpoint.objects.get().state == "active"
    assert FeedLane.objects.get().subject_id == "O0"
    assert len(receiver.acknowledged) == 27


def test_refusals_park_the_subject_and_only_it(receiver):
    async def refuse(request, delivery):
        return web.Response(status=422 if delivery.subject == "O0" else 204, text="no such SKU")

    receiver.behaviour = refuse
    make_endpoint(url=receiver.url)
    changes(subjects=3, versions=2)

    for _ in range(REFUSALS_TO_PARK + 3):
        drain_once()
        make_all_due()

    lane = FeedLane.objects.get()
    assert (lane.subject_id, lane.state, lane.due_at) == ("O0", "parked", None)
    assert lane.rejections == REFUSALS_TO_PARK
    refused = Attempt.objects.filter(subject_id="O0")
    assert refused.count() == REFUSALS_TO_PARK
    assert {one.answer for one in refused} == {"no such SKU"}
    assert Endpoint.objects.get().state == "active"
    assert len(receiver.acknowledged) == 4


def test_retry_after_is_honoured_for_the_whole_endpoint(receiver):
    receiver.behaviour = answer(429, **{"Retry-After": "120"})
    make_endpoint(url=receiver.url, concurrency=1)
    changes(subjects=5, versions=1)

    drain_once()

    assert len(receiver.seen) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, openings, opened_until - now() BETWEEN '110 s' AND '120 s'"
            " FROM changefeed_endpoint"
        )
        assert cursor.fetchone() == ("open", 0, True)
        cursor.execute(
            "SELECT count(*) FROM changefeed_feedlane WHERE due_at - now() > interval '110 s'"
        )
        assert cursor.fetchone() == (1,)


def test_gone_pauses_the_endpoint_and_keeps_what_is_pending(receiver):
    receiver.behaviour = answer(410)
    make_endpoint(url=receiver.url, concurrency=1)
    changes(subjects=4, versions=1)

    drain_once()

    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.state_reason) == ("paused", "HTTP 410")
    assert FeedLane.objects.count() == 4
    make_all_due()
    assert drain_once() == 0
    assert len(receiver.seen) == 1


def test_redirects_are_not_followed(receiver):
    receiver.behaviour = answer(302, Location="http://169.254.169.254/latest/meta-data")
    make_endpoint(url=receiver.url)
    change("A")

    assert drain_once() == 0

    assert len(receiver.seen) == 1
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.outcome) == (302, "failed")


def test_a_hanging_receiver_times_out_and_delays_nobody_else(receiver, settings):
    settings.FEED_LEASE_SECONDS = 5

    async def hang(request, delivery):
        if delivery.subject == "O0":
            await asyncio.sleep(30)
        return web.Response(status=204)

    receiver.behaviour = hang
    make_endpoint(url=receiver.url)
    changes(subjects=5, versions=1)
    began = time.monotonic()

    assert drain_once() == 4

    assert 2.5 < time.monotonic() - began < 6
    attempt = Attempt.objects.get(subject_id="O0")
    assert (attempt.outcome, attempt.status, attempt.answer) == ("failed", None, "timed out")
    assert FeedLane.objects.get().attempts == 1


def test_of_a_huge_answer_only_the_beginning_is_read(receiver):
    async def pour(request, delivery):
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        try:
            for _ in range(1024):
                await response.write(b"x" * 65536)
        except ConnectionError:
            pass
        return response

    receiver.behaviour = pour
    make_endpoint(url=receiver.url)
    change("A")
    began = time.monotonic()

    assert drain_once() == 1

    assert time.monotonic() - began < 5
    assert len(Attempt.objects.get().answer) == 500
    assert len(receiver.seen) == 1


def test_an_answer_with_null_bytes_and_broken_text_is_logged(receiver):
    async def odd(request, delivery):
        return web.Response(status=400, body=b"a\x00b\xff")

    receiver.behaviour = odd
    make_endpoint(url=receiver.url)
    change("A")

    drain_once()

    assert Attempt.objects.get().answer == "ab\ufffd"


def test_a_retry_has_the_same_id_and_bytes(receiver):
    make_endpoint(url=receiver.url)
    receiver.behaviour = answer(500)
    change("A", new={"z": 1, "a": {"y": 2, "b": 1.10}})
    drain_once()
    receiver.behaviour = accept
    make_all_due()
    drain_until_empty()

    first, second = receiver.seen
    assert first.id == second.id
    assert first.body == second.body


def test_a_dead_endpoint_does_not_delay_a_living_one(receiver):
    make_endpoint(url="http://127.0.0.1:9/hook", name="dead")
    make_endpoint(url=receiver.url, name="living")
    changes(subjects=50, versions=2)

    assert drain_once() == 100
    assert FeedLane.objects.filter(endpoint__name="living").count() == 0
    assert FeedLane.objects.filter(endpoint__name="dead").count() == 50


def test_a_rate_is_kept(receiver):
    make_endpoint(url=receiver.url, rate=20)
    changes(subjects=15, versions=1)

    began = time.monotonic()
    assert drain_once() == 15

    assert 0.65 < time.monotonic() - began < 3
    gaps = [b.began - a.began for a, b in zip(receiver.seen, receiver.seen[1:], strict=False)]
    assert sum(gaps) / len(gaps) > 0.045


def test_a_change_written_while_its_lane_is_being_sent_follows(receiver):
    written: list[bool] = []

    async def write_more(request, delivery):
        if not written:
            written.append(True)
            await asyncio.to_thread(_change_in_thread, "A", 2)
        return web.Response(status=204)

    receiver.behaviour = write_more
    make_endpoint(url=receiver.url)
    change("A", 1)

    drain_once()

    assert receiver.versions("A") == [1, 2]
    assert not FeedLane.objects.exists()


def _change_in_thread(subject: str, version: int) -> None:
    try:
        change(subject, version)
    finally:
        connection.close()


def test_an_endpoint_with_a_broken_secret_is_reported_not_fatal_to_others(receiver):
    make_endpoint(url=receiver.url, secrets=["whsec_"], name="broken")
    make_endpoint(url=receiver.url, name="whole")
    change("A")

    drain_once()

    assert len(receiver.acknowledged) == 1
    broken = Endpoint.objects.get(name="broken")
    assert broken.state == "open"
    assert "secret" in broken.state_reason
    assert json.dumps(broken.secrets) not in broken.state_reason


@pytest.mark.parametrize(
    "subject", ["a\"b\\c'd", "%s{}$1", "\u2028\u202e\U0001f600", "a,b};{c", " "]
)
def test_a_subject_of_odd_letters_arrives_is_replayed_and_pulled(receiver, subject):
    endpoint = make_endpoint(url=receiver.url, batch_size=2)
    change(subject, 1)
    change(subject, 2)
    drain_once()

    lifecycle.replay(endpoint, Selection("order", subject), actor="user:eve")
    drain_once()

    assert receiver.versions(subject) == [1, 2, 1, 2]
    key, _plain = create_key("ERP", source="erp", scopes=["feed:read"])
    assert [row["subject_id"] for row in read_page(key, None, 5).rows] == [subject] * 2


def test_a_connection_closed_just_as_we_send_costs_one_counted_try(receiver):
    """No library sends a POST again by itself: what was sent twice stands in the log twice."""
    make_endpoint(url=receiver.url)
    closed: list[str] = []

    async def close_the_second(request, delivery):
        if delivery.version == 2 and not closed:
            closed.append(delivery.id)
            request.transport.close()
        return await accept(request, delivery)

    receiver.behaviour = close_the_second
    changes(subjects=1, versions=3)

    drain_once()
    make_all_due()
    drain_until_empty()

    assert [one.version for one in receiver.seen] == [1, 2, 2, 3]
    logged = Attempt.objects.order_by("id").values_list("outcome", "messages")
    assert list(logged) == [("delivered", 1), ("failed", 1), ("delivered", 1), ("delivered", 1)]
    assert Endpoint.objects.get().state == "active"
