"""Messages carry the database's time, whatever the dispatcher's own clock says."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from changefeed.dispatch.breaker import sendable
from changefeed.dispatch.claiming import claim
from changefeed.dispatch.clock import DatabaseClock
from changefeed.dispatch.database import open_pool
from changefeed.dispatch.messages import Parcel
from changefeed.dispatch.sending import Answer, Sender
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BODY = b'{"type":"ping","data":{}}'


def test_a_claim_tells_the_time_of_the_database():
    make_endpoint()
    change("A")

    async def run() -> tuple[datetime, datetime, datetime]:
        async with open_pool() as pool, pool.connection() as link:

            async def now() -> datetime:
                (row,) = await (await link.execute("SELECT now()")).fetchall()
                moment: datetime = row["now"]
                return moment

            (endpoint,) = await sendable(link)
            before = await now()
            (lane,) = await claim(link, endpoint, limit=1, depth=1, lease_seconds=30)
            return before, lane.lease.clock.at, await now()

    before, claimed, after = asyncio.run(run())

    assert before < claimed < after


def test_a_clock_goes_on_with_the_monotonic_one():
    clock = DatabaseClock(LONG_AGO, time.monotonic() - 90)

    assert 90 <= (clock.now() - LONG_AGO).total_seconds() < 91


def test_signature_and_retry_after_go_by_the_given_clock(receiver):
    async def slow_down(request, delivery):
        return web.Response(status=429, headers={"Retry-After": "Wed, 01 Jan 2020 00:10:00 GMT"})

    receiver.behaviour = slow_down
    row = make_endpoint(url=receiver.url)
    change("A")

    async def run() -> Answer:
        async with open_pool() as pool, pool.connection() as link:
            (endpoint,) = await sendable(link)
        async with Sender(endpoint, allow_private=True) as sender:
            parcel = Parcel("id", BODY, is_batch=False, is_replay=False)
            return await sender.send(parcel, DatabaseClock.set_to(LONG_AGO))

    answer = asyncio.run(run())

    (delivery,) = receiver.seen
    assert delivery.headers["webhook-timestamp"] == "1577836800"
    signed = Webhook(row.secrets[0]).sign("id", LONG_AGO, BODY.decode())
    assert delivery.headers["webhook-signature"] == signed
    assert answer.retry_after is not None
    assert 595 < answer.retry_after <= 600
    assert (answer.sent_at - LONG_AGO).total_seconds() < 1
