"""A test message: signed like any other, and without any trace."""

import pytest
from standardwebhooks import Webhook

from changefeed.dispatch.pinging import ping
from changefeed.models import Attempt, Endpoint
from changefeed.signatures import new_secret
from tests.changefeed.receiver import answer
from tests.changefeed.rows import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_ping_is_signed_and_its_answer_shown(receiver):
    async def reply(request, delivery):
        assert delivery.document["type"] == "ping"
        return await answer(200)(request, delivery)

    secret = new_secret()
    receiver.behaviour = reply
    endpoint = make_endpoint(url=receiver.url, secrets=[secret], state="paused", batch_size=50)

    answered = ping(endpoint)

    assert (answered.outcome, answered.status, answered.text) == ("delivered", 200, "answered 200")
    (delivery,) = receiver.seen
    assert Webhook(secret).verify(delivery.body, delivery.headers)["data"] == {}
    assert not Attempt.objects.exists()
    assert Endpoint.objects.get().state == "paused"


def test_a_ping_goes_nowhere_private(receiver, settings):
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False

    answered = ping(make_endpoint(url=receiver.url))

    assert answered.described() == "address refused: 127.0.0.1"
    assert receiver.seen == []
