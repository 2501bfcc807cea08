"""Dialogs of the feed say whom an act meets and what it costs; pressed twice, an act is one."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone, translation

from changefeed import keys
from changefeed.admin import waiting
from changefeed.admin.waiting import Waiting, waiting_for
from changefeed.admin.words import exact
from changefeed.models import Change, Endpoint, FeedLane, LagSample
from tests.changefeed.admin_pages import SUBMITTED, attempt, client_of, page, park, role, root
from tests.changefeed.rows import change, changes, make_endpoint
from tests.factories import make_user

pytestmark = pytest.mark.django_db

SINCE = timezone.now().replace(microsecond=0) - timedelta(hours=3)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def dialog(client: Client, path: str) -> str:
    return page(client, f"{path}/")


def test_removing_says_how_many_subjects_are_given_up_and_since_when_the_oldest_waits():
    endpoint = make_endpoint(name="<b>WMS")
    make_endpoint(name="other")
    changes(subjects=3, versions=2)
    FeedLane.objects.filter(endpoint=endpoint, subject_id="O1").update(pending_since=SINCE)

    shown = dialog(root(), f"endpoint/{endpoint.pk}/remove")

    assert "&lt;b&gt;WMS" in shown
    assert "3 subjects with changes not yet delivered are given up." in shown
    assert f"The oldest has waited since {exact(SINCE)}." in shown
    assert "This cannot be undone." in shown
    assert (Endpoint.objects.count(), FeedLane.objects.count()) == (2, 6)


def test_removing_what_owes_nothing_says_so():
    shown = dialog(root(), f"endpoint/{make_endpoint().pk}/remove")

    assert "Nothing waits for it: it knows everything it takes." in shown
    assert "The oldest" not in shown


def test_counting_ends_where_people_stop_reading(monkeypatch):
    monkeypatch.setattr(waiting, "MOST_COUNTED", 2)
    endpoint = make_endpoint()
    changes(subjects=2, versions=1)
    assert waiting_for(endpoint.pk).is_more is False
    changes(subjects=3, versions=1)
    park(FeedLane.objects.get(subject_id="O2"))
    FeedLane.objects.update(pending_since=SINCE)

    assert waiting_for(endpoint.pk) == Waiting(2, SINCE, is_more=True)
    shown = dialog(root(), f"endpoint/{endpoint.pk}/remove")
    assert "more than 2 subjects with changes not yet delivered are given up." in shown
    assert f"The oldest has waited since {exact(SINCE)} or longer." in shown

    sampled = SINCE + timedelta(minutes=1)
    LagSample.objects.create(
        endpoint=endpoint,
        at=sampled,
        pending_lanes=3,
        parked_lanes=1,
        oldest_pending_seconds=7200,
    )
    assert waiting_for(endpoint.pk).since == sampled - timedelta(hours=2)


def test_pausing_and_resuming_name_the_endpoint_and_what_waits():
    endpoint = make_endpoint(name="WMS", state="open")
    changes(subjects=2, versions=1)
    FeedLane.objects.update(pending_since=SINCE)

    client = root()
    pause = dialog(client, f"endpoint/{endpoint.pk}/pause")
    resume = dialog(client, f"endpoint/{endpoint.pk}/resume")

    for shown in (pause, resume):
        assert "<li>WMS</li>" in shown
        assert "2 subjects have changes not yet delivered." in shown
    assert "Requests already under way end as they would." in pause
    assert f"The oldest has waited since {exact(SINCE)}." in resume


def test_a_second_press_makes_no_second_secret():
    client = root()
    endpoint = make_endpoint()
    (old,) = endpoint.secrets
    path = f"/admin/changefeed/endpoint/{endpoint.pk}/rotate_secret/"
    newest = client.get(path).context["form"]["newest"].value()
    assert old.removeprefix("whsec_") not in newest

    for _press in range(2):
        client.post(path, {**SUBMITTED, "newest": newest})

    endpoint.refresh_from_db()
    assert len(endpoint.secrets) == 2
    assert endpoint.secrets[1] == old
    shown = page(client, f"endpoint/{endpoint.pk}/change/")
    assert shown.count(endpoint.secrets[0]) == 1
    assert "A new secret was made a moment ago" in shown


def test_a_third_secret_warns_of_the_one_it_drops():
    client = root()
    endpoint = make_endpoint(secrets=["whsec_bmV3", "whsec_b2xk"])

    shown = dialog(client, f"endpoint/{endpoint.pk}/rotate_secret")

    assert "The older of them stops working now" in shown
    assert "1 older secret stops working." in dialog(
        client, f"endpoint/{endpoint.pk}/retire_secrets"
    )
    lone = dialog(client, f"endpoint/{make_endpoint().pk}/rotate_secret")
    assert "stops working" not in lone


def test_settling_a_parked_lane_names_the_message():
    endpoint = make_endpoint(name="WMS")
    change("A", 7, kind="order.held", field="state")
    lane = park(FeedLane.objects.get())
    operations = role("operations")

    for act in ("resume", "skip"):
        shown = dialog(operations, f"feedlane/{lane.pk}/{act}")
        assert f"order A → {endpoint.name}" in shown
        assert f"order.held · Version 7 · #{Change.objects.get().seq}" in shown
    lane.state = "ready"
    lane.save()
    assert "This lane is not parked any more." in dialog(operations, f"feedlane/{lane.pk}/skip")
    FeedLane.objects.all().delete()
    assert "This lane is not parked any more." in dialog(operations, f"feedlane/{lane.pk}/skip")


def test_revoking_says_whether_the_key_is_used_and_what_it_holds():
    client = root()
    puller = keys.create_key("ERP", source="erp", scopes=["feed:read"])[0]
    writer = keys.create_key("CRM", source="crm", scopes=["feed:write"])[0]
    writer.last_used_at = SINCE
    writer.save()

    shown = dialog(client, f"apikey/{puller.pk}/revoke")
    assert "It was never used." in shown
    assert "no longer kept for it" in shown
    shown = dialog(client, f"apikey/{writer.pk}/revoke")
    assert f"Last used at {exact(SINCE)}." in shown
    assert "no longer kept for it" not in shown


@pytest.mark.parametrize("act", ["remove", "pause", "resume", "rotate_secret", "retire_secrets"])
def test_viewers_are_not_shown_the_dialogs(act):
    endpoint = make_endpoint()
    for one in ("operations", "supervisor", "agent", "warehouse"):
        response = client_of(make_user(one)).get(f"/admin/changefeed/endpoint/{endpoint.pk}/{act}/")
        assert response.status_code == 403


def test_the_history_of_an_endpoint_says_who_did_what():
    client = root()
    endpoint = make_endpoint(name="WMS")
    base = f"/admin/changefeed/endpoint/{endpoint.pk}"

    client.post(f"{base}/pause/", {**SUBMITTED, "reason": "<b>stock-taking"})
    client.post(f"{base}/resume/", SUBMITTED)
    client.post(f"{base}/rotate_secret/", SUBMITTED)
    client.post(f"{base}/retire_secrets/", SUBMITTED)
    page(client, f"endpoint/{endpoint.pk}/change/")

    history = page(client, f"endpoint/{endpoint.pk}/history/")
    for said in ("Paused: &lt;b&gt;stock-taking", "Resumed", "New signing secret made"):
        assert said in history
    assert "Secrets retired: 1." in history
    endpoint.refresh_from_db()
    assert endpoint.secrets[0] not in history
    client.post(f"{base}/remove/", SUBMITTED)
    assert LogEntry.objects.filter(object_repr="WMS", action_flag=3, user__username="root").exists()


def test_an_endpoint_that_is_gone_says_what_to_do():
    gone = make_endpoint(state="paused", state_reason="HTTP 410")

    shown = page(role("operations"), f"endpoint/{gone.pk}/change/")

    assert "Correct the address or remove the endpoint" in shown


def test_subjects_are_named_in_the_reader_s_language():
    make_endpoint()
    change("A")
    lane = FeedLane.objects.get()
    attempt(lane)
    chinese = client_of(make_user("operations"), language="zh-hans")

    for path in ("change/", "feedlane/", "attempt/", f"feedlane/{lane.pk}/change/"):
        assert "订单 A" in page(chinese, path)
