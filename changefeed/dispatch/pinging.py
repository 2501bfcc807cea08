"""A signed test message to one endpoint, sent at once and kept nowhere."""

import asyncio
import uuid
from datetime import datetime

import orjson
from django.conf import settings

from changefeed.clock import database_now
from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.clock import DatabaseClock
from changefeed.dispatch.messages import Parcel, timestamp_text
from changefeed.dispatch.sending import Answer, Sender
from changefeed.models import Endpoint


def ping(endpoint: Endpoint) -> Answer:
    """What the endpoint answers to a message of type `ping`, under all its limits.

    It says nothing about any lane and moves no breaker. Raises ValueError for an endpoint
    without a readable secret.
    """
    clock = DatabaseClock.set_to(database_now())
    return asyncio.run(_ping(_view(endpoint), clock))


def ping_parcel(at: datetime) -> Parcel:
    """A ping as it is sent; `data` is empty."""
    message_id = str(uuid.uuid4())
    body = orjson.dumps(
        {
            "id": message_id,
            "type": "ping",
            "timestamp": timestamp_text(at),
            "data": {},
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return Parcel(message_id, body, is_batch=False, is_replay=False)


async def _ping(endpoint: EndpointView, clock: DatabaseClock) -> Answer:
    async with Sender(endpoint, allow_private=settings.FEED_ALLOW_PRIVATE_ADDRESSES) as sender:
        return await sender.send(ping_parcel(clock.now()), clock)


def _view(endpoint: Endpoint) -> EndpointView:
    names = EndpointView.__dataclass_fields__
    return EndpointView(**{name: getattr(endpoint, name) for name in names})
