"""Pulled pages are, together, the committed changes: each once, none skipped, in order."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from changefeed import polling
from changefeed.keys import create_key, revoke_key
from changefeed.models import ApiKey, Change, PullWindow
from changefeed.recording import record_change
from rules.models import Rule, RuleAction, RuleSet
from tests.changefeed.rows import change, changes

# Committed for real: a change of a transaction in flight is never pulled.
pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/changes/"
NOTHING_PASSES = (
    "Nothing would ever pass: no kind of change chosen here has one of these fields or is about "
    "one of these subjects."
)


def make_client(name: str = "ERP", *scopes: str) -> tuple[APIClient, ApiKey]:
    key, plain = create_key(name, source=name.lower(), scopes=list(scopes or ("feed:read",)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
    return client, key


def pull_all(client: APIClient, cursor: str = "", limit: int = 7) -> Iterator[dict]:
    """Every change until an empty page, as a consumer would read them."""
    while True:
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        page = client.get(URL, query).json()
        yield from page["results"]
        cursor = page["next_cursor"]
        if not page["results"]:
            return


def test_pages_together_are_the_committed_changes(django_assert_max_num_queries):
    client, _key = make_client()
    changes(subjects=5, versions=6)

    pulled = list(pull_all(client))

    assert [one["data"]["seq"] for one in pulled] == list(
        Change.objects.order_by("seq").values_list("seq", flat=True)
    )
    assert pulled[0]["type"] == "order.changed"
    assert pulled[0]["data"]["subject"] == {"kind": "order", "id": "O0", "version": 1}
    assert pulled[0]["data"]["new"] == {"version": 1}
    with django_assert_max_num_queries(14):
        client.get(URL)


def test_what_commits_late_is_neither_lost_nor_out_of_order():
    """A writing transaction is held open while later ones commit and pages are pulled."""
    client, _key = make_client()
    opened, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                record_change(
                    "order.changed", subject_kind="order", subject_id="LATE", subject_version=1
                )
                opened.set()
                go_on.wait(10)
        finally:
            connection.close()

    change("EARLY", 1)
    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert opened.wait(5)
    change("EARLY", 2)
    first = client.get(URL).json()
    change("EARLY", 3)
    second = client.get(URL, {"cursor": first["next_cursor"]}).json()
    go_on.set()
    writer.join()
    change("EARLY", 4)
    third = list(pull_all(client, second["next_cursor"]))

    seen = [*first["results"], *second["results"], *third]
    labels = [(o["data"]["subject"]["id"], o["data"]["subject"]["version"]) for o in seen]
    assert labels == [("EARLY", 1), ("EARLY", 2), ("EARLY", 3), ("LATE", 1), ("EARLY", 4)]
    late = Change.objects.get(subject_id="LATE").seq
    assert late < second["results"][0]["data"]["seq"], "the negative control: seq > cursor loses it"


def test_the_same_cursor_gives_the_same_bytes_whatever_happened_since():
    client, _key = make_client()
    changes(subjects=3, versions=3)
    first = client.get(URL, {"limit": 4})
    cursor = first.json()["next_cursor"]
    second = client.get(URL, {"limit": 4, "cursor": cursor})
    last_cursor = client.get(URL, {"cursor": second.json()["next_cursor"]}).json()["next_cursor"]
    change("NEW")
    after = client.get(URL, {"cursor": last_cursor})
    assert [one["data"]["subject"]["id"] for one in after.json()["results"]] == ["NEW"]
    change("NEWER")

    assert client.get(URL, {"limit": 4}).content == first.content
    assert client.get(URL, {"limit": 4, "cursor": cursor}).content == second.content
    assert client.get(URL, {"cursor": last_cursor}).content == after.content


def test_an_empty_page_returns_its_cursor_and_later_the_news():
    client, _key = make_client()

    empty = client.get(URL).json()
    assert (empty["results"], empty["has_more"]) == ([], False)
    assert client.get(URL, {"cursor": empty["next_cursor"]}).json() == empty
    assert not PullWindow.objects.exists()
    change("A")

    page = client.get(URL, {"cursor": empty["next_cursor"]}).json()
    assert [one["data"]["subject"]["id"] for one in page["results"]] == ["A"]


def test_rolled_back_changes_are_never_pulled():
    client, _key = make_client()
    with transaction.atomic():
        record_change("order.changed", subject_kind="order", subject_id="A", subject_version=1)
        transaction.set_rollback(True)

    assert client.get(URL).json()["results"] == []


def test_a_cursor_serves_only_the_consumer_it_was_given_to():
    client, _key = make_client()
    other, _other_key = make_client("WMS")
    change("A")
    cursor = client.get(URL).json()["next_cursor"]

    for hostile in (cursor, "garbage", "a:b", cursor + "x", cursor[:-3]):
        answer = other.get(URL, {"cursor": hostile})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "cursor"
    assert len(list(pull_all(other))) == 1


def test_a_cursor_older_than_what_is_kept_is_gone():
    client, _key = make_client()
    change("A")
    cursor = client.get(URL).json()["next_cursor"]
    PullWindow.objects.all().delete()

    assert client.get(URL, {"cursor": cursor}).status_code == 410
    assert len(list(pull_all(client))) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1.5", "１０００００"])
def test_an_odd_limit_is_refused(limit):
    client, _key = make_client()

    answer = client.get(URL, {"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


def test_who_may_pull():
    client, key = make_client()
    unscoped, _unscoped_key = make_client("SHOP", "orders:write")
    anonymous = APIClient()
    wrong = APIClient()
    wrong.credentials(HTTP_AUTHORIZATION="Api-Key sk_0000000000_nonsense")

    assert client.get(URL).status_code == 200
    assert unscoped.get(URL).status_code == 403
    assert anonymous.get(URL).status_code == 401
    assert wrong.get(URL).status_code == 401
    revoke_key(key)
    assert client.get(URL).status_code == 401


def test_a_consumer_asks_only_for_what_it_wants():
    client, _key = make_client()
    change("O1", 1, "order.received")
    change("O1", 2, "shipment.shipped", field="shipment")
    change("O2", 1, "order.held", field="state")

    def kinds(**query: str) -> list[str]:
        return [one["type"] for one in client.get(URL, query).json()["results"]]

    assert kinds() == ["order.received", "shipment.shipped", "order.held"]
    assert kinds(kinds="shipment.*") == ["shipment.shipped"]
    assert kinds(fields="state,ship_to") == ["order.held"]
    assert kinds(subjects="customer") == []
    assert kinds(subjects="customer, order", kinds="order.held") == ["order.held"]


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        (
            {"kinds": "order.held,order.dispatchd"},
            [
                (
                    "kinds",
                    "unknown_kind",
                    "“order.dispatchd” is not a kind of change. Did you mean order.dispatched?",
                )
            ],
        ),
        (
            {"kinds": "orders.*,order"},
            [
                (
                    "kinds",
                    "unknown_kind",
                    "“orders.*” is not a kind of change. Did you mean order.*?",
                ),
                ("kinds", "unknown_kind", "“order” is not a kind of change. Did you mean order.*?"),
            ],
        ),
        (
            {"fields": "ship_to_city", "kinds": "*"},
            [
                ("kinds", "unknown_kind", "“*” is not a kind of change."),
                (
                    "fields",
                    "unknown_field",
                    "“ship_to_city” is not a field of any change. Did you mean ship_to?",
                ),
            ],
        ),
        (
            {"subjects": "orders"},
            [
                (
                    "subjects",
                    "unknown_subject",
                    "“orders” is not a kind of subject. Did you mean order?",
                )
            ],
        ),
        (
            {"kinds": "order.held", "fields": "ship_to"},
            [("fields", "nothing_passes", NOTHING_PASSES)],
        ),
        (
            {"kinds": "shipment.*", "subjects": "customer"},
            [("kinds", "nothing_passes", NOTHING_PASSES)],
        ),
        (
            {"kinds": ",".join(f"x{n}" for n in range(101))},
            [("kinds", "too_many", "At most 100 entries.")],
        ),
    ],
)
def test_a_filter_that_would_be_silent_for_ever_is_refused(query, errors):
    client, _key = make_client()
    change("O1", 1, "order.held", field="state")

    answer = client.get(URL, query, headers={"Accept-Language": "en"})

    assert answer.status_code == 422
    told = [(one["field"], one["code"], one["message"]) for one in answer.json()["errors"]]
    assert sorted(told) == sorted(errors)
    assert not PullWindow.objects.exists()


def test_what_can_only_be_known_from_the_rules_is_a_field_too():
    client, _key = make_client()
    change("O1", 1, "order.effect_caused", field="thank_you")

    assert client.get(URL, {"fields": "thank_you"}).status_code == 422
    draft = RuleSet.objects.create(version=1)
    rule = Rule.objects.create(ruleset=draft, key="vip", name="VIP", layer="tag", priority=1)
    RuleAction.objects.create(rule=rule, position=1, do="effect", params={"key": "thank_you"})

    page = client.get(URL, {"fields": "thank_you"}).json()
    assert [one["type"] for one in page["results"]] == ["order.effect_caused"]


def test_an_empty_page_of_a_filter_still_moves_the_cursor():
    client, _key = make_client()
    change("O1", 1)

    first = client.get(URL, {"kinds": "order.held"}).json()
    change("O1", 2, "order.held")
    second = client.get(URL, {"kinds": "order.held", "cursor": first["next_cursor"]}).json()

    assert first["results"] == []
    assert [one["data"]["subject"]["version"] for one in second["results"]] == [2]


def test_a_waiting_consumer_is_answered_when_something_commits():
    client, _key = make_client()
    timer = threading.Timer(0.6, _change_elsewhere, args=("O1",))
    timer.start()
    began = time.monotonic()

    page = client.get(URL, {"wait": "20"}).json()

    timer.join()
    assert [one["data"]["subject"]["id"] for one in page["results"]] == ["O1"]
    assert time.monotonic() - began < 15


def test_what_was_drawn_before_and_commits_while_one_waits_is_seen():
    client, _key = make_client()
    opened, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                record_change(
                    "order.changed", subject_kind="order", subject_id="LATE", subject_version=1
                )
                opened.set()
                go_on.wait(10)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert opened.wait(5)
    threading.Timer(0.5, go_on.set).start()

    page = client.get(URL, {"wait": "20"}).json()

    writer.join()
    assert [one["data"]["subject"]["id"] for one in page["results"]] == ["LATE"]


def test_too_many_waiters_are_answered_at_once(monkeypatch):
    client, _key = make_client()
    monkeypatch.setattr(polling, "_places", threading.BoundedSemaphore(1))
    assert polling._places.acquire(blocking=False)
    monkeypatch.setattr(polling.time, "sleep", lambda _seconds: pytest.fail("it waited"))

    page = client.get(URL, {"wait": "30"}).json()

    assert page["results"] == []


@pytest.mark.parametrize("wait", ["31", "-1", "soon"])
def test_an_impossible_wait_is_refused(wait):
    client, _key = make_client()

    answer = client.get(URL, {"wait": wait})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "wait"


def _change_elsewhere(subject: str) -> None:
    try:
        change(subject)
    finally:
        connection.close()
