"""Fixtures of the feed's tests: receivers, endpoints, and a dispatcher run to its end."""

import asyncio
from collections.abc import Iterator

import pytest
from django.db import connection

from changefeed.dispatch import backoff
from changefeed.dispatch.database import PLACES
from changefeed.dispatch.loop import drain
from changefeed.models import FeedLane
from tests.changefeed.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture(autouse=True)
def longest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait with jitter is as long as it may be, so that nothing is due again by luck."""
    monkeypatch.setattr(backoff, "draw", lambda _least, most: most)


def drain_once(seconds: float | None = 15.0) -> int:
    """Deliver until nothing is due; the number of messages acknowledged."""
    delivered = asyncio.run(drain(seconds=seconds, places=PLACES))
    assert delivered is not None
    return delivered


def make_all_due() -> None:
    """Pretend that every back-off and breaker wait is over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_endpoint SET opened_until = now() - interval '1 second'")
        cursor.execute("UPDATE changefeed_feedlane SET due_at = now() WHERE due_at > now()")


def drain_until_empty(rounds: int = 30) -> int:
    """Deliver, skipping all waiting in between, until no lane is left."""
    delivered = 0
    for _round in range(rounds):
        delivered += drain_once()
        if not FeedLane.objects.exists():
            return delivered
        make_all_due()
    raise AssertionError(f"{FeedLane.objects.count()} lanes are left")
