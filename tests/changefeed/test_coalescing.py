"""Which changes are told as one, and how that survives failures, skips and replays."""

import json

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as some

from changefeed import lifecycle
from changefeed.dispatch.coalescing import coalesce, is_field_change
from changefeed.models import Change, Endpoint, FeedLane
from tests.changefeed.conftest import drain_once, drain_until_empty, make_all_due
from tests.changefeed.receiver import accept, answer
from tests.changefeed.rows import change, make_endpoint

KINDS = [
    ("order.address_changed", "ship_to"),
    ("order.invoice_title_changed", "invoice_title"),
    ("order.changed", "note"),
    ("order.held", "state"),
    ("order.placed", ""),
]


def rows_of(kinds):
    return [
        {"seq": 10 + 3 * at, "kind": kind, "field": field} for at, (kind, field) in enumerate(kinds)
    ]


@given(some.lists(some.sampled_from(KINDS), max_size=40))
def test_nothing_is_lost_order_holds_and_no_event_is_crossed(kinds):
    rows = rows_of(kinds)
    groups = coalesce(rows)

    assert sorted(row["seq"] for group in groups for row in group) == [row["seq"] for row in rows]
    newest = [group[-1]["seq"] for group in groups]
    assert newest == sorted(newest)
    events = [row["seq"] for row in rows if not is_field_change(row["kind"], row["field"])]
    for group in groups:
        assert len({(row["kind"], row["field"]) for row in group}) == 1
        first, last = group[0]["seq"], group[-1]["seq"]
        assert first == last or not any(first < seq < last for seq in events)
    for group in groups:
        if group[0]["seq"] in events:
            assert len(group) == 1


@given(some.lists(some.sampled_from(KINDS[:3]), max_size=40))
def test_without_events_one_message_per_field_is_left(kinds):
    assert len(coalesce(rows_of(kinds))) == len(set(kinds))


def edit(version: int, value: str | None, before: str | None, field: str = "ship_to") -> None:
    kind = f"order.{field}_changed"
    change("A", version, kind=kind, field=field, old=before, new=value)


@pytest.mark.django_db(transaction=True)
def test_the_newest_value_is_told_with_the_oldest_old_one_and_what_it_covers(receiver):
    make_endpoint(url=receiver.url, coalesce=True)
    edit(1, "b", "a")
    edit(2, "title", "", field="invoice_title")
    edit(3, "c", "b")
    edit(4, "d", "c")

    assert drain_once() == 2

    title, address = (one.document for one in receiver.seen)
    first, _title, third, fourth = Change.objects.order_by("seq")
    assert title["data"]["field"] == "invoice_title"
    assert "covers" not in title["data"]
    assert (address["data"]["old"], address["data"]["new"]) == ("a", "d")
    assert address["id"] == str(fourth.event_id)
    assert address["data"]["subject"]["version"] == 4
    assert address["data"]["covers"] == [
        {"id": str(one.event_id), "seq": one.seq, "version": one.subject_version}
        for one in (first, third, fourth)
    ]
    assert not FeedLane.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_is_told_by_itself_between_the_changes_around_it(receiver):
    make_endpoint(url=receiver.url, coalesce=True)
    edit(1, "b", "a")
    edit(2, "c", "b")
    change("A", 3, kind="order.held", field="state", old="ready", new="on_hold")
    edit(4, "d", "c")

    assert drain_once() == 3

    told = [(one.document["data"]["old"], one.document["data"]["new"]) for one in receiver.seen]
    assert told == [("a", "c"), ("ready", "on_hold"), ("c", "d")]


@pytest.mark.django_db(transaction=True)
def test_without_the_option_every_change_is_told(receiver):
    make_endpoint(url=receiver.url)
    edit(1, "b", "a")
    edit(2, "c", "b")

    assert drain_once() == 2


@pytest.mark.django_db(transaction=True)
def test_what_arrived_ahead_of_the_head_is_not_told_again(receiver):
    """The title arrives, the address that began before it does not."""

    async def refuse_addresses(request, delivery):
        field = delivery.document["data"]["field"]
        return web.Response(status=500 if field == "ship_to" else 200)

    receiver.behaviour = refuse_addresses
    make_endpoint(url=receiver.url, coalesce=True)
    edit(1, "b", "a")
    edit(2, "title", "", field="invoice_title")
    edit(3, "c", "b")
    first, second, _third = Change.objects.order_by("seq")

    assert drain_once() == 1

    lane = FeedLane.objects.get()
    assert (lane.head_seq, lane.delivered_seqs) == (first.seq, [second.seq])
    receiver.behaviour = accept
    make_all_due()
    assert drain_until_empty() == 1
    fields = [one.document["data"]["field"] for one in receiver.acknowledged]
    assert fields == ["invoice_title", "ship_to"]
    assert receiver.seen[1].body == receiver.seen[2].body


@pytest.mark.django_db(transaction=True)
def test_batches_hold_coalesced_messages(receiver):
    make_endpoint(url=receiver.url, coalesce=True, batch_size=10)
    edit(1, "b", "a")
    edit(2, "c", "b")

    assert drain_once() == 1
    (message,) = receiver.seen[0].messages
    assert [one["version"] for one in message["data"]["covers"]] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_skip_leaves_out_all_that_the_message_stands_for(receiver):
    receiver.behaviour = answer(422)
    endpoint = make_endpoint(url=receiver.url, coalesce=True)
    edit(1, "b", "a")
    edit(2, "title", "", field="invoice_title")
    edit(3, "c", "b")
    first, second, third = Change.objects.order_by("seq")
    FeedLane.objects.update(state="parked", due_at=None, delivered_seqs=[second.seq])
    lane = FeedLane.objects.get()

    assert lifecycle.head_of(lane) == third
    assert lifecycle.skip_change(lane, actor="user:eve", reason="no such street") == third.seq

    gap = Change.objects.get(kind="lane.skipped")
    assert gap.actor == "user:eve"
    assert gap.new == {
        "endpoint": endpoint.name,
        "seq": third.seq,
        "id": str(third.event_id),
        "reason": "no such street",
        "covers": [first.seq, third.seq],
    }
    receiver.behaviour = accept
    drain_until_empty()
    assert [json.loads(one.body)["type"] for one in receiver.acknowledged] == ["lane.skipped"]
    assert Endpoint.objects.get().state == "active"
