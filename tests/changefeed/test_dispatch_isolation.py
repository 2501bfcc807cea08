"""A mistake of ours with one endpoint stops the sending to no other, and drops nothing."""

import pytest
from django.db import connection

from changefeed.dispatch import claiming
from changefeed.models import Endpoint, FeedLane
from tests.changefeed.conftest import drain_once, make_all_due
from tests.changefeed.receiver import Receiver
from tests.changefeed.rows import changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_endpoint_that_we_cannot_serve_is_left_alone_for_a_while(receiver, monkeypatch, caplog):
    make = claiming.messages_of

    def fail_when_coalescing(rows, **how):
        if how["is_coalescing"]:
            raise KeyError("nobody thought of this")
        return make(rows, **how)

    with Receiver() as other:
        make_endpoint(name="odd", url=receiver.url, coalesce=True)
        make_endpoint(name="plain", url=other.url)
        changes(subjects=30, versions=2)
        monkeypatch.setattr(claiming, "messages_of", fail_when_coalescing)

        assert drain_once() == 60

        assert len(other.seen) == 60
    assert receiver.seen == []
    odd, plain = Endpoint.objects.order_by("name")
    assert (odd.state, odd.state_reason) == ("open", "sending failed here, see the log")
    assert plain.state == "active"
    assert FeedLane.objects.filter(endpoint=odd).count() == 30
    assert "feed.drain_failed" in caplog.text

    monkeypatch.undo()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_feedlane SET lease_until = now() - interval '1 s'")
    make_all_due()
    assert drain_once() >= 30
    assert not FeedLane.objects.exists()
    assert {one.subject for one in receiver.seen} == {f"O{number}" for number in range(30)}
