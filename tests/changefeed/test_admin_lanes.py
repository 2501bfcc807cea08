"""A parked lane's page: the exact message, what came back, and what waits behind it."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import translation

from changefeed.models import Change, FeedLane
from tests.changefeed.admin_pages import SUBMITTED, attempt, page, park, role, root
from tests.changefeed.conftest import drain_once, make_all_due
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db

PERSON = {"name": "欧阳娜娜", "phone": "13800130008"}


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def lane() -> FeedLane:
    make_endpoint(name="WMS", kinds=["order.*"])
    change("A", 1, kind="order.recipient_changed", field="recipient", old=None, new=PERSON)
    change("A", 2, kind="order.held", field="state", new="<i>on_hold")
    change("A", 3, kind="return.approved")
    change("A", 4, kind="order.cleared", field="state")
    found = park(FeedLane.objects.get())
    attempt(found, seconds_ago=60, answer="unknown: 欧阳娜娜 <script>alert(1)</script>")
    attempt(found, seconds_ago=30)
    return found


def test_the_message_is_shown_with_personal_data_hidden(lane):
    for client in (role("operations"), role("supervisor"), root()):
        shown = page(client, f"feedlane/{lane.pk}/change/")
        assert "欧***" in shown
        assert "138****0008" in shown
        assert "欧阳娜娜" not in shown
        assert "13800130008" not in shown
        assert "unknown: 欧*** &lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "<script>alert(1)" not in shown


def test_how_often_since_when_and_what_waits_behind(lane):
    response = role("operations").get(f"/admin/changefeed/feedlane/{lane.pk}/change/")

    tried = response.context["tried"]
    assert (tried["count"], tried["refused"]) == (2, 2)
    assert tried["last"] > tried["first"]
    behind = response.context["behind"]
    assert [(one.kind, one.version) for one in behind] == [("order.held", 2), ("order.cleared", 4)]
    assert "A message cannot be edited" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_message_in_full_is_byte_for_byte_what_was_sent(receiver):
    receiver.behaviour = answer(422)
    make_endpoint(url=receiver.url)
    change("A", 1, field="recipient", new={**PERSON, "amount": 0.10})
    while FeedLane.objects.get().state != "parked":
        drain_once()
        make_all_due()

    response = role("supervisor").post(
        f"/admin/changefeed/feedlane/{FeedLane.objects.get().pk}/reveal/"
    )

    head = response.context["head"]
    assert {one.body for one in receiver.seen} == {head.body.encode()}
    assert {one.id for one in receiver.seen} == {head.id}
    assert response.context["tried"]["refused"] == len(receiver.seen) == 12
    assert "answered 422" in response.content.decode()


def test_revealing_shows_the_exact_message_once_and_is_recorded(lane):
    client = role("supervisor")

    response = client.post(f"/admin/changefeed/feedlane/{lane.pk}/reveal/")

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    body = json.loads(response.context["head"].body)
    assert body["data"]["new"] == PERSON
    assert body["id"] == str(Change.objects.earliest("seq").event_id)
    assert "欧阳娜娜" in response.content.decode()
    entry = LogEntry.objects.get()
    assert entry.object_id == str(lane.pk)
    assert entry.user.groups.get().name == "supervisor"
    assert "欧阳娜娜" not in page(client, f"feedlane/{lane.pk}/change/")


@pytest.mark.parametrize("path", ["feedlane/{lane}", "change/{seq}", "attempt/{attempt}"])
def test_operations_may_not_reveal(lane, path):
    client = role("operations")
    sent = attempt(lane)
    where = path.format(lane=lane.pk, seq=lane.head_seq, attempt=sent.pk)

    assert client.post(f"/admin/changefeed/{where}/reveal/").status_code == 403
    assert "feed-reveal" not in page(client, f"{where}/change/")
    assert not LogEntry.objects.exists()


def test_revealing_is_a_post(lane):
    assert root().get(f"/admin/changefeed/feedlane/{lane.pk}/reveal/").status_code == 405


def test_changes_and_attempts_hide_personal_data_too(lane):
    sent = attempt(lane, answer="13800130008 <b>")
    client = root()

    change_page = page(client, f"change/{lane.head_seq}/change/")
    attempt_page = page(client, f"attempt/{sent.pk}/change/")
    revealed = client.post(f"/admin/changefeed/change/{lane.head_seq}/reveal/").content.decode()
    told = client.post(f"/admin/changefeed/attempt/{sent.pk}/reveal/").content.decode()

    assert "欧***" in change_page
    assert "欧阳娜娜" not in change_page
    assert "138****0008 &lt;b&gt;" in attempt_page
    assert "欧阳娜娜" in revealed
    assert "13800130008 &lt;b&gt;" in told


def test_a_lane_drawn_together_shows_the_one_message_it_is():
    make_endpoint(coalesce=True)
    change("A", 1, field="city", kind="order.city_changed", old="a", new="b")
    change("A", 2, field="city", kind="order.city_changed", old="b", new="c")
    change("A", 3, kind="order.held")
    lane = park(FeedLane.objects.get())

    response = role("operations").get(f"/admin/changefeed/feedlane/{lane.pk}/change/")

    head = response.context["head"]
    assert (head.version, head.covers) == (2, 2)
    assert json.loads(head.body)["data"]["old"] == "a"
    assert [one.version for one in response.context["behind"]] == [3]


def test_who_may_settle_is_told_how_and_others_who_may(lane):
    operations = page(role("operations"), f"feedlane/{lane.pk}/change/")
    supervisor = page(role("supervisor"), f"feedlane/{lane.pk}/change/")

    assert "Resume sends the same message again" in operations
    assert f"feedlane/{lane.pk}/skip/" in operations
    assert "Operations can resume this lane" in supervisor
    assert f"feedlane/{lane.pk}/skip/" not in supervisor


def test_supervisors_settle_nothing(lane):
    client = role("supervisor")

    for act in ("resume", "skip"):
        response = client.post(
            f"/admin/changefeed/feedlane/{lane.pk}/{act}/", {**SUBMITTED, "reason": "because"}
        )
        assert response.status_code == 403
    lane.refresh_from_db()
    assert lane.state == "parked"
    assert not Change.objects.filter(kind="lane.skipped").exists()


def test_operations_skip_with_a_reason_that_stays(lane):
    client = role("operations")

    client.post(
        f"/admin/changefeed/feedlane/{lane.pk}/skip/", {**SUBMITTED, "reason": "unknown person"}
    )

    gap = Change.objects.get(kind="lane.skipped")
    assert gap.new is not None
    assert gap.new["reason"] == "unknown person"
    assert gap.actor.startswith("user:operations-")
    lane.refresh_from_db()
    assert lane.state == "ready"


def test_a_message_is_not_edited_through_its_lane(lane):
    response = root().post(
        f"/admin/changefeed/feedlane/{lane.pk}/change/", {"head_seq": 999, "subject_id": "B"}
    )

    assert response.status_code == 403
    lane.refresh_from_db()
    assert lane.subject_id == "A"
