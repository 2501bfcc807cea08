"""A dump restored on a server whose transactions count from lower on: nothing is lost or twice."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from changefeed import restored, tasks
from changefeed.keys import create_key
from changefeed.models import Change, PullCursor, PullWindow
from tests.changefeed.rows import change, changes

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/changes/"
AHEAD = 200


class Consumer:
    """A pulling key that keeps its cursor."""

    def __init__(self, name: str) -> None:
        _key, plain = create_key(name, source=name, scopes=["feed:read"])
        self.client = APIClient()
        self.client.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
        self.cursor = ""

    def pull(self) -> list[tuple[str, int]]:
        """Subject and version of everything new."""
        found: list[tuple[str, int]] = []
        while True:
            query = {"limit": "4", **({"cursor": self.cursor} if self.cursor else {})}
            answer = self.client.get(URL, query)
            assert answer.status_code == 200, answer.content
            page = answer.json()
            self.cursor = page["next_cursor"]
            if not page["results"]:
                return found
            subjects = [one["data"]["subject"] for one in page["results"]]
            found += [(one["id"], one["version"]) for one in subjects]

    def is_gone(self) -> bool:
        return self.client.get(URL, {"cursor": self.cursor}).status_code == 410

    def start_from_now(self) -> None:
        self.cursor = self.client.get(URL + "snapshot/").json()["changes_cursor"]


def count_on(transactions: int) -> None:
    """Have the server give so many numbers."""
    with connection.cursor() as cursor:
        for _number in range(transactions):
            cursor.execute("SELECT pg_current_xact_id()")


def count_changes_as(xid: str) -> None:
    """Write into every partition, past the guard of the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'changefeed_change'::regclass"
        )
        for (part,) in cursor.fetchall():
            cursor.execute(f"UPDATE {part} SET xid = {xid}")


def restore_elsewhere() -> None:
    """Everything in the feed was counted by a server that was further by AHEAD."""
    count_changes_as(f"(xid::text::bigint + {AHEAD})::text::xid8")
    with connection.cursor() as cursor:
        for column in ("since", "until"):
            cursor.execute(f"UPDATE changefeed_pullwindow SET {column} = {_shifted(column)}")


def _shifted(column: str) -> str:
    then = f"(pg_snapshot_xmax({column}::pg_snapshot)::text::bigint + {AHEAD})"
    return f"CASE WHEN {column} = '1:1:' THEN {column} ELSE {then} || ':' || {then} || ':' END"


def test_a_consumer_that_asks_is_sent_to_the_snapshot_and_misses_nothing():
    erp = Consumer("erp")
    changes(subjects=3, versions=2)
    erp.pull()
    restore_elsewhere()
    change("NEW")

    assert erp.is_gone()
    assert restored.settle()
    assert erp.is_gone()

    erp.start_from_now()
    change("NEWER")
    assert erp.pull() == [("NEWER", 1)]
    count_on(AHEAD + 50)
    assert erp.pull() == []


def test_one_that_was_silent_until_the_count_had_caught_up_is_not_passed_by():
    silent, hasty = Consumer("silent"), Consumer("hasty")
    changes(subjects=3, versions=2)
    silent.pull()
    restore_elsewhere()
    change("NEW")
    hasty.start_from_now()

    assert restored.settle()
    count_on(AHEAD + 50)

    assert silent.is_gone()
    assert hasty.is_gone()
    assert not PullWindow.objects.exists()


def test_a_new_consumer_gets_the_history_once_and_in_order():
    changes(subjects=2, versions=2)
    restore_elsewhere()
    change("NEW")
    assert restored.settle()
    erp = Consumer("erp")

    assert erp.pull() == [("O0", 1), ("O1", 1), ("O0", 2), ("O1", 2), ("NEW", 1)]
    count_on(AHEAD + 50)
    change("NEWER")
    assert erp.pull() == [("NEWER", 1)]


def test_only_the_position_is_restored_and_nothing_was_written_since():
    erp = Consumer("erp")
    changes(subjects=2, versions=2)
    erp.pull()
    restore_elsewhere()
    count_changes_as("'900'")

    assert restored.was_moved()
    assert restored.settle()
    assert erp.is_gone()


def test_where_nothing_was_moved_nothing_is_touched(monkeypatch):
    erp = Consumer("erp")
    changes(subjects=3, versions=2)
    erp.pull()
    asked = []
    monkeypatch.setattr(tasks.settle_restored, "delay", lambda: asked.append(1))
    before = [*Change.objects.order_by("seq").values(), *PullCursor.objects.values()]

    tasks.watch_feed()

    assert asked == []
    assert not restored.settle()
    assert [*Change.objects.order_by("seq").values(), *PullCursor.objects.values()] == before


def test_the_watch_notices(monkeypatch):
    changes(subjects=1, versions=1)
    restore_elsewhere()
    monkeypatch.setattr(tasks.settle_restored, "delay", tasks.settle_restored)

    tasks.watch_feed()

    assert not restored.was_moved()
    assert [row.xid for row in Change.objects.all()] == [2]
