"""Cursors that are not one's own, made up, bent or of a dead key: refused, and nobody is moved."""

from typing import Any

import pytest
from django.core import signing
from rest_framework.test import APIClient

from changefeed.keys import create_key, revoke_key
from changefeed.models import ApiKey, PullCursor, PullWindow
from tests.changefeed.rows import changes

# Committed for real: a change of a transaction in flight is never pulled.
pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/changes/"


class Consumer:
    """A pulling key and a client that shows it."""

    def __init__(self, name: str) -> None:
        self.key, plain = create_key(name, source=name, scopes=["feed:read"])
        self.client = APIClient(raise_request_exception=False)
        self.client.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}", HTTP_ACCEPT_LANGUAGE="en")

    def pull(self, **query: Any) -> Any:
        return self.client.get(URL, query)

    def cursor(self, **query: Any) -> str:
        return str(self.pull(**query).json()["next_cursor"])


def positions() -> list[Any]:
    return [list(PullCursor.objects.order_by("pk").values()), list(PullWindow.objects.values())]


@pytest.fixture
def erp() -> Consumer:
    """A consumer in the middle of a window."""
    changes(subjects=4, versions=3)
    consumer = Consumer("erp")
    consumer.pull(cursor=consumer.cursor(limit=3), limit=3)
    return consumer


def refused(answer: Any, what: str, status: int = 422) -> dict[str, Any]:
    assert answer.status_code == status, (what, answer.content)
    assert answer.headers["Content-Type"] == "application/problem+json", what
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


def forged(key: ApiKey, window: Any, after: Any, salt: str = "changefeed.cursor") -> str:
    return signing.Signer(salt=salt).sign_object((key.pk, window, after))


def test_no_cursor_but_ones_own_is_taken_and_nobody_is_moved(erp):
    wms = Consumer("wms")
    own = wms.cursor(limit=3)
    wms.pull(cursor=own)
    theirs = erp.cursor(limit=3)
    before = positions()
    payload, _colon, signature = own.partition(":")
    hostile = {
        "of another consumer": theirs,
        "their payload under my signature": theirs.partition(":")[0] + ":" + signature,
        "my payload under their signature": payload + ":" + theirs.partition(":")[2],
        "of a snapshot's pages": signing.Signer(salt="changefeed.snapshot").sign_object(("o", 1)),
        "signed for another purpose": forged(wms.key, 1, 1, salt="sessions"),
        "signed with another key": signing.Signer(key="x" * 50, salt="changefeed.cursor").sign("a"),
        "garbage": "garbage",
        "only a colon": ":",
        "many colons": ":" * 400,
        "truncated": own[:-1],
        "begun later": own[1:],
        "one letter bent": ("A" if own[0] != "A" else "B") + own[1:],
        "another case": own.swapcase(),
        "something behind": own + "A",
        "a zip bomb's name": "." + own,
        "numbers": "0",
        "negative": "-1",
        "letters of other scripts": "カーソル",
        "a null": own + "\x00",
        "nulls": "\x00\x00",
        "a line break": own + "\r\nX-Evil: 1",
        "too long": "A" * 501,
        "astronomically long": "A" * 1_000_000,
        "for a database": "1' OR '1'='1",
    }
    for what, cursor in hostile.items():
        problem = refused(wms.pull(cursor=cursor), what)
        assert {one["field"] for one in problem["errors"]} == {"cursor"}, what
        assert signature not in str(problem)

    refused(wms.client.get(f"{URL}?cursor=%ED%B3%BF"), "a lone surrogate")
    refused(wms.client.get(f"{URL}?cursor=%FF%FE"), "bytes that are no text")

    assert positions() == before
    assert wms.pull(cursor=own).status_code == 200


def test_a_cursor_of_a_revoked_key_serves_no_key_and_ends_with_it(erp):
    cursor = erp.cursor(limit=3)
    heir = Consumer("heir")
    heir.pull(limit=1)
    before = positions()
    revoke_key(erp.key)

    refused(heir.pull(cursor=cursor), "of a revoked key")
    refused(erp.pull(cursor=cursor), "by a revoked key", 401)

    assert positions() == before


def test_a_stolen_cursor_tells_neither_where_it_is_nor_whose(erp):
    """The payload names ids of rows; the answer to whoever shows it names nothing."""
    wms = Consumer("wms")

    problem = refused(wms.pull(cursor=erp.cursor(limit=3)), "stolen")

    assert problem["errors"][0]["message"] == "This cursor was not issued to this key."
    assert "erp" not in str(problem)
    assert refused(wms.pull(cursor="garbage"), "garbage") == problem


def test_odd_wishes_are_refused_and_move_nobody(erp):
    cursor = erp.cursor(limit=3)
    before = positions()

    for field, value in (
        *(("subjects", "a\x00b"), ("kinds", "\x00"), ("fields", "\x00")),
        *(("kinds", "k" * 2001), ("limit", "9" * 2000), ("wait", "9" * 2000)),
    ):
        problem = refused(erp.pull(**{field: value}), field)
        assert {one["field"] for one in problem["errors"]} == {field}
    for after in ("garbage", "a:b", "\x00", "A" * 201, "{}:x", "order", cursor):
        answer = erp.client.get(URL + "snapshot/", {"after": after})
        assert {one["field"] for one in refused(answer, after)["errors"]} == {"after"}

    assert positions() == before
