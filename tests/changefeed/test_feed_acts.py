"""What people do with the feed says why, and goes by the database's clock."""

from datetime import timedelta

import pytest
from django.utils import timezone

from changefeed import lifecycle
from changefeed.clock import database_now
from changefeed.errors import NotParked, ReasonMissing
from changefeed.keys import create_key, find_key, revoke_key
from changefeed.models import Change, Endpoint, EndpointState, FeedLane
from changefeed.reading import read_page
from tests.changefeed.admin_pages import park
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[-1, 1], ids=["an hour behind", "an hour ahead"])
def wrong_clock(request, monkeypatch):
    """This machine's wall clock, as Django sees it, is wrong."""
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=request.param))


def parked_lane() -> FeedLane:
    make_endpoint()
    change("A")
    change("A", version=2)
    lane = FeedLane.objects.get()
    park(lane)
    return lane


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_nothing_is_skipped_or_paused_without_a_reason(reason):
    lane = parked_lane()
    before = FeedLane.objects.values().get()

    with pytest.raises(ReasonMissing):
        lifecycle.skip_change(lane, actor="user:eve", reason=reason)
    with pytest.raises(ReasonMissing):
        lifecycle.pause_endpoint(lane.endpoint, actor="user:eve", reason=reason)

    assert FeedLane.objects.values().get() == before
    assert Endpoint.objects.get().state == EndpointState.ACTIVE
    assert not Change.objects.filter(kind="lane.skipped").exists()


def test_a_second_click_on_skip_skips_nothing_more():
    lane = parked_lane()
    skipped = lifecycle.skip_change(lane, actor="user:eve", reason="no such street")
    assert skipped is not None

    with pytest.raises(NotParked):
        lifecycle.skip_change(lane, actor="user:eve", reason="no such street")

    gap = Change.objects.get(kind="lane.skipped")
    assert gap.new is not None
    assert gap.new["seq"] == skipped
    assert FeedLane.objects.get().head_seq == skipped + 1


@pytest.mark.usefixtures("wrong_clock")
def test_what_is_resumed_is_due_now():
    lane = parked_lane()
    lifecycle.resume_lane(lane, actor="user:eve")
    assert _seconds_off(FeedLane.objects.get().due_at) < 60

    FeedLane.objects.update(state="backoff", due_at=database_now() + timedelta(hours=5))
    lifecycle.resume_endpoint(lane.endpoint, actor="user:eve")
    assert _seconds_off(FeedLane.objects.get().due_at) < 60


@pytest.mark.usefixtures("wrong_clock")
def test_keys_and_consumers_are_stamped_by_the_database():
    key, plain = create_key("erp", source="erp", scopes=["feed:read"])
    assert find_key(plain) == key
    read_page(key, None, 10)
    revoke_key(key)

    key.refresh_from_db()
    for stamp in (key.last_used_at, key.revoked_at, key.pull_cursor.seen_at):
        assert _seconds_off(stamp) < 60


def _seconds_off(moment):
    return abs((database_now() - moment).total_seconds())
