"""The consumers' page: how far each is, who is stuck, and how to become one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone, translation

from changefeed import keys
from changefeed.consumers import consumers
from changefeed.models import FeedLane, PullCursor
from changefeed.reading import cursor_for_now, read_page
from tests.changefeed.admin_pages import page, role, root
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db

RETENTION = timedelta(days=30)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def make_key(name="ERP", scopes=("feed:read",)):
    return keys.create_key(name, source=name.lower(), scopes=list(scopes))[0]


def only(name="ERP"):
    (found,) = [one for one in consumers(timezone.now(), RETENTION) if one.key.name == name]
    return found


def age_changes(days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"UPDATE changefeed_change SET at = at - interval '{days} days'")
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.django_db(transaction=True)
def test_what_was_given_counts_until_the_next_cursor_is_shown():
    key = make_key()
    changes(subjects=7, versions=1)
    assert only().cursor is None

    first = read_page(key, None, 4)
    assert only().pending == 7

    second = read_page(key, first.next_cursor, 4)
    assert (only().pending, only().cursor.after_seq) == (3, first.rows[-1]["seq"])

    read_page(key, second.next_cursor, 4)
    assert only().pending == 0
    assert (only().oldest_at, only().lag_seconds) == (None, 0.0)

    change("later")
    assert only().pending == 1
    assert 0 <= only().lag_seconds < 60


@pytest.mark.django_db(transaction=True)
def test_a_consumer_that_began_with_a_snapshot_is_behind_nothing():
    key = make_key()
    changes(subjects=5, versions=1)

    read_page(key, cursor_for_now(key), 10)

    assert only().pending == 0
    change("later")
    assert only().pending == 1


def test_only_keys_that_may_pull_and_live_are_consumers():
    make_key("ERP")
    make_key("WMS", scopes=("orders:write",))
    keys.revoke_key(make_key("gone"))

    assert [one.key.name for one in consumers(timezone.now(), RETENTION)] == ["ERP"]


def test_a_silent_consumer_is_marked():
    key = make_key()
    read_page(key, None, 1)
    PullCursor.objects.update(seen_at=timezone.now() - timedelta(days=2))
    assert only().is_silent is False, "nothing waits for it"

    change("A")
    assert only().is_silent is True
    shown = page(role("operations"), "pullcursor/")
    assert "silent" in shown
    assert "It has not asked for 2 d" in shown


def test_what_holds_the_retention_back_is_named():
    key = make_key("<i>ERP")
    endpoint = make_endpoint(name="WMS <b>")
    change("A")
    read_page(key, None, 1)
    age_changes(40)
    FeedLane.objects.update(pending_since=timezone.now() - timedelta(days=40))

    response = role("operations").get("/admin/changefeed/pullcursor/")

    assert response.context["holding"] == ["<i>ERP"]
    (lane,) = response.context["holding_lanes"]
    assert lane["link"] == f"/admin/changefeed/endpoint/{endpoint.pk}/change/"
    (row,) = response.context["consumers"]
    assert (row["state"], row["is_stuck"]) == ("stuck", True)
    shown = response.content.decode()
    assert "What holds changes back beyond 30 days" in shown
    assert "&lt;i&gt;ERP" in shown
    assert "WMS &lt;b&gt;" in shown


def test_without_consumers_the_page_teaches():
    shown = page(role("operations"), "pullcursor/")

    assert "Nobody pulls changes yet." in shown
    assert "<code>feed:read</code>" in shown
    assert "/api/v1/changes/" in shown
    assert "/api/v1/docs/" in shown
    assert "A superuser does that." in shown
    assert "/admin/changefeed/apikey/add/" not in shown
    assert "/admin/changefeed/apikey/add/" in page(root(), "pullcursor/")


def test_supervisors_do_not_see_consumers():
    assert role("supervisor").get("/admin/changefeed/pullcursor/").status_code == 403


def test_nothing_secret_is_on_the_page():
    key = make_key()
    read_page(key, None, 1)

    shown = page(root(), "pullcursor/")

    assert key.hash not in shown
    assert key.prefix not in shown
