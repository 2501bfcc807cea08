"""What is decided about an endpoint in the middle of a long drain holds at once, not at its end."""

import asyncio
import threading

import pytest
from aiohttp import web
from django.db import connection
from standardwebhooks import Webhook, WebhookVerificationError

from changefeed import lifecycle
from changefeed.models import Endpoint, EndpointState, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import Receiver
from tests.changefeed.rows import changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = 60
AT_ONCE = 2
SECONDS_EACH = 0.05
# Two polls of the dispatcher, and what was under way when the act was done.
MOST_AFTERWARDS = AT_ONCE * 5


def acts_once(act):
    """A receiver's behaviour: acknowledge slowly, and do the act when the fifth request is here."""
    asked = threading.Lock()
    came = []

    async def behave(request, delivery):
        with asked:
            came.append(delivery)
            is_time = len(came) == 5
        if is_time:
            await asyncio.to_thread(_with_own_connection, act)
        await asyncio.sleep(SECONDS_EACH)
        return web.Response(status=204)

    return behave


def _with_own_connection(act):
    try:
        act(Endpoint.objects.get())
    finally:
        connection.close()


def endpoint_with_much_to_tell(receiver):
    made = make_endpoint(url=receiver.url, concurrency=AT_ONCE)
    changes(subjects=ORDERS, versions=1)
    return made


def test_a_pause_ends_a_drain_in_the_middle_and_gives_all_lanes_back(receiver):
    endpoint_with_much_to_tell(receiver)
    receiver.behaviour = acts_once(
        lambda endpoint: lifecycle.pause_endpoint(endpoint, actor="user:test", reason="stocktaking")
    )

    delivered = drain_once()

    assert 5 <= delivered <= 5 + MOST_AFTERWARDS
    assert delivered == len(receiver.acknowledged) == len(receiver.seen)
    lanes = FeedLane.objects.all()
    assert lanes.count() == ORDERS - delivered
    assert set(lanes.values_list("state", "lease_id")) == {("ready", None)}

    lifecycle.resume_endpoint(Endpoint.objects.get(), actor="user:test")
    assert drain_once() == ORDERS - delivered
    assert sorted(one.subject for one in receiver.seen) == sorted(f"O{n}" for n in range(ORDERS))


def test_a_retired_secret_signs_nothing_more_in_the_middle_of_a_drain(receiver):
    endpoint = endpoint_with_much_to_tell(receiver)
    (old,) = endpoint.secrets
    made = []

    def renew(endpoint):
        made.append(lifecycle.rotate_secret(endpoint, actor="user:test"))
        lifecycle.retire_secrets(Endpoint.objects.get(), actor="user:test")

    receiver.behaviour = acts_once(renew)

    assert drain_once() == ORDERS

    signed_new = [_verifies(made[0], one) for one in receiver.seen]
    signed_old = [_verifies(old, one) for one in receiver.seen]
    assert signed_new == [not is_old for is_old in signed_old]
    assert not any(signed_new[:5])
    assert all(signed_new[5 + MOST_AFTERWARDS :])


def test_what_remains_goes_to_a_new_address(receiver):
    with Receiver() as moved:
        endpoint_with_much_to_tell(receiver)
        receiver.behaviour = acts_once(
            lambda endpoint: Endpoint.objects.filter(pk=endpoint.pk).update(url=moved.url)
        )

        assert drain_once() == ORDERS

    assert 5 <= len(receiver.seen) <= 5 + MOST_AFTERWARDS
    assert len(receiver.seen) + len(moved.seen) == ORDERS


def test_a_breaker_that_another_process_opened_stops_this_one_too(receiver):
    endpoint_with_much_to_tell(receiver)

    def open_breaker(endpoint):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE changefeed_endpoint SET state = 'open',"
                " opened_until = now() + interval '1 hour'"
            )

    receiver.behaviour = acts_once(open_breaker)

    delivered = drain_once()

    assert 5 <= delivered <= 5 + MOST_AFTERWARDS
    assert FeedLane.objects.count() == ORDERS - delivered
    assert Endpoint.objects.get().state == EndpointState.OPEN


def test_a_removed_endpoint_is_sent_nothing_more(receiver):
    endpoint_with_much_to_tell(receiver)
    receiver.behaviour = acts_once(
        lambda endpoint: lifecycle.remove_endpoint(endpoint, actor="user:test")
    )

    drain_once()

    assert 5 <= len(receiver.seen) <= 5 + MOST_AFTERWARDS
    assert not FeedLane.objects.exists()


def _verifies(secret, delivery):
    try:
        Webhook(secret).verify(delivery.body, delivery.headers)
    except WebhookVerificationError:
        return False
    return True
