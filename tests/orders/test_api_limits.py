"""How many calls a key may make: counted for each key, shared by processes, never in the way."""

import secrets
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache

from config import throttling
from tests.orders.calling import Caller, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> SimpleNamespace:
    """A clock that stands still in a minute that nobody else counts, and a limit of three."""
    settings.API_THROTTLE_PER_MINUTE = 3
    clock = SimpleNamespace(now=60.0 * secrets.randbelow(10**8) + 20)
    stand_in = SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now)
    monkeypatch.setattr(throttling, "time", stand_in)
    monkeypatch.setattr(throttling.KeyThrottle, "_tallies", {})
    return clock


def test_a_key_that_used_up_its_minute_is_told_when_to_go_on(clock: SimpleNamespace) -> None:
    caller, other = Caller(), Caller()

    statuses = [caller.get("orders/").status_code for _ in range(3)]
    answer = caller.get("orders/")

    assert statuses == [200, 200, 200]
    refused(answer, 429, "throttled")
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert other.get("orders/").status_code == 200
    clock.now += 60
    assert caller.get("orders/").status_code == 200


def test_processes_share_one_count(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller()
    for _ in range(3):
        caller.get("orders/")
        clock.now += 0.6  # long enough to tell the others
    monkeypatch.setattr(throttling.KeyThrottle, "_tallies", {})  # as another process has it

    refused(caller.get("orders/"), 429, "throttled")


def test_without_the_cache_calls_still_pass_and_are_counted_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def down(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(cache, "add", down)
    caller = Caller()

    assert [caller.get("orders/").status_code for _ in range(4)] == [200, 200, 200, 429]
