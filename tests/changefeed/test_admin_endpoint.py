"""The endpoint's page says how it is doing; a test message goes out when asked."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from changefeed.admin.health import BUCKETS_A_DAY, lag_of_day, last_hour_of
from changefeed.models import Change, Endpoint, FeedAlert, FeedLane, LagSample
from tests.changefeed.admin_pages import attempt, page, park, role, root
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    ("state", "fields", "words"),
    [
        ("active", {}, ["answering", "as soon as something changes"]),
        ("active", {"failures": 3}, ["answering", "the latest 3 attempts failed"]),
        ("half_open", {}, ["being probed", "One message is being tried"]),
        ("paused", {"state_reason": "<b>stock-taking"}, ["paused", "&lt;b&gt;stock-taking"]),
        ("open", {"state_reason": "HTTP 503"}, ["not answering", "HTTP 503", "about to be tried"]),
    ],
)
def test_the_state_is_told_in_words(state, fields, words):
    endpoint = make_endpoint(state=state, **fields)

    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")

    for one in words:
        assert one in shown


def test_a_stopped_endpoint_says_until_when():
    until = timezone.now() + timedelta(minutes=10)
    endpoint = make_endpoint(state="open", opened_until=until, state_reason="timed out")

    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")

    assert f"Stopped until {timezone.localtime(until):%H:%M:%S}, in 9 min" in shown


def test_figures_of_the_last_hour_are_exact():
    endpoint = make_endpoint()
    change("A")
    lane = FeedLane.objects.get()
    attempt(lane, outcome="delivered", status=204, messages=50, latency_ms=10)
    attempt(lane, outcome="delivered", status=204, messages=22, latency_ms=20)
    attempt(lane, outcome="failed", status=503, latency_ms=400)
    attempt(lane, outcome="rejected", latency_ms=30)
    attempt(lane, outcome="delivered", messages=999, seconds_ago=3700)

    hour = last_hour_of(endpoint.pk)

    assert (hour.attempts, hour.delivered, hour.failed) == (4, 72, 2)
    assert (hour.median_ms, hour.slow_ms, hour.seconds) == (20, 400, 3600.0)
    assert (hour.per_second, hour.error_share) == (0.02, 0.5)
    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")
    assert "50.0%" in shown
    assert "2 of 4 attempts" in shown
    assert "0.02 per second" in shown


def test_backlog_and_lag_are_shown_with_their_lanes():
    endpoint = make_endpoint()
    change("A")
    change("B")
    FeedLane.objects.update(pending_since=timezone.now() - timedelta(seconds=7510))
    park(FeedLane.objects.get(subject_id="B"))

    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")

    assert "2 h 5 min" in shown
    assert "1 parked for a person" in shown
    assert f"endpoint__id__exact={endpoint.pk}&amp;state__exact=parked" in shown


def test_the_day_of_lag_keeps_the_worst_of_each_quarter_and_its_gaps():
    endpoint, other = make_endpoint(), make_endpoint()
    now = timezone.now().replace(minute=29, second=30, microsecond=0)
    full = now.replace(minute=0, second=0)
    for minute, seconds in ((15, 3.0), (16, 90.5), (29, 1.0)):
        LagSample.objects.create(
            endpoint=endpoint,
            at=full + timedelta(minutes=minute),
            pending_lanes=minute,
            parked_lanes=1,
            oldest_pending_seconds=seconds,
        )
    LagSample.objects.create(
        endpoint=other, at=full, pending_lanes=1, parked_lanes=0, oldest_pending_seconds=9999
    )

    points = lag_of_day(endpoint.pk, now)

    assert len(points) == BUCKETS_A_DAY
    assert points[-1].since == full + timedelta(minutes=15)
    assert (points[-1].seconds, points[-1].pending, points[-1].parked) == (90.5, 29, 1)
    assert {point.seconds for point in points[:-1]} == {None}


def test_the_plot_has_its_numbers_in_a_table():
    endpoint = make_endpoint()
    LagSample.objects.create(
        endpoint=endpoint,
        at=timezone.now().replace(second=0, microsecond=0),
        pending_lanes=1234,
        parked_lanes=0,
        oldest_pending_seconds=61,
    )

    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")

    assert "<canvas" in shown
    assert "1 min 1 s" in shown
    assert "1,234" in shown


def test_answers_are_text_and_personal_data_in_them_is_hidden():
    endpoint = make_endpoint()
    change("A", field="recipient", new={"name": "欧阳娜娜", "phone": "13800130008"})
    attempt(
        FeedLane.objects.get(), answer="<img src=x onerror=alert(1)> 欧阳娜娜 13800130008 unknown"
    )

    shown = page(role("operations"), f"endpoint/{endpoint.pk}/change/")

    assert "&lt;img src=x onerror=alert(1)&gt; 欧*** 138****0008 unknown" in shown
    assert "<img src=x" not in shown
    assert "欧阳娜娜" not in shown


def test_a_ping_shows_what_came_back_and_stores_nothing(receiver):
    endpoint = make_endpoint(url=receiver.url)
    client = root()

    answer = client.post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/ping/", headers={"accept": "application/json"}
    ).json()

    assert answer["is_delivered"] is True
    assert answer["verdict"].startswith("It arrived: HTTP 2")
    (seen,) = receiver.seen
    assert seen.document["type"] == "ping"
    assert not Change.objects.exists()
    assert not FeedLane.objects.exists()


def test_without_a_script_the_answer_to_a_ping_is_on_the_page_once():
    endpoint = make_endpoint(url="http://127.0.0.1:9/hook")
    client = root()

    response = client.post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/ping/",
        headers={"accept": "text/html"},
        follow=True,
    )

    assert "It did not arrive" in response.content.decode()
    assert "It did not arrive" not in page(client, f"endpoint/{endpoint.pk}/change/")


def test_a_ping_obeys_the_address_rule(settings):
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False
    endpoint = make_endpoint(url="http://169.254.169.254/latest/meta-data")

    answer = (
        root()
        .post(
            f"/admin/changefeed/endpoint/{endpoint.pk}/ping/",
            headers={"accept": "application/json"},
        )
        .json()
    )

    assert answer["is_delivered"] is False
    assert answer["text"] == ("this address may not be reached (address refused: 169.254.169.254)")


def test_a_ping_without_a_secret_says_what_to_do():
    endpoint = make_endpoint(secrets=[])

    answer = (
        root()
        .post(
            f"/admin/changefeed/endpoint/{endpoint.pk}/ping/",
            headers={"accept": "application/json"},
        )
        .json()
    )

    assert answer["verdict"] == "This endpoint has no readable secret. Make a new one."


@pytest.mark.parametrize("group", ["supervisor", "operations"])
def test_only_superusers_ping(group, receiver):
    endpoint = make_endpoint(url=receiver.url)
    client = role(group)

    assert client.post(f"/admin/changefeed/endpoint/{endpoint.pk}/ping/").status_code == 403
    assert "data-ping" not in page(client, f"endpoint/{endpoint.pk}/change/")
    assert receiver.seen == []


def test_a_ping_is_a_post():
    endpoint = make_endpoint()
    assert root().get(f"/admin/changefeed/endpoint/{endpoint.pk}/ping/").status_code == 405


@pytest.mark.parametrize("group", ["agent", "warehouse"])
def test_roles_without_the_feed_see_none_of_it(group):
    endpoint = make_endpoint()
    change("A")
    lane = FeedLane.objects.get()
    client = role(group)

    for path in (
        *("endpoint/", f"endpoint/{endpoint.pk}/change/", "endpoint/preview/"),
        *(f"endpoint/{endpoint.pk}/replay/", "feedlane/", f"feedlane/{lane.pk}/change/"),
        *("replay/", "pullcursor/", "change/", "attempt/", "apikey/"),
    ):
        assert client.get(f"/admin/changefeed/{path}").status_code == 403


def test_no_page_holds_a_secret():
    endpoint = make_endpoint()
    change("A")
    client = root()
    (secret,) = endpoint.secrets

    for path in (
        *("endpoint/", f"endpoint/{endpoint.pk}/change/", f"endpoint/{endpoint.pk}/history/"),
        *(f"endpoint/{endpoint.pk}/replay/", f"feedlane/{FeedLane.objects.get().pk}/change/"),
    ):
        shown = page(client, path)
        assert secret not in shown
        assert secret.removeprefix("whsec_") not in shown


def test_the_overview_shows_state_lag_pending_parked_and_alerts():
    endpoint = make_endpoint(name="WMS", state="open")
    make_endpoint(name="CRM", kinds=["never.this"])
    change("A")
    change("B")
    FeedLane.objects.update(pending_since=timezone.now() - timedelta(seconds=210))
    park(FeedLane.objects.get(subject_id="B"))
    FeedAlert.objects.create(
        kind="parked", key=endpoint.pk, name="WMS", figure=1, raised_at=timezone.now()
    )
    FeedAlert.objects.create(
        kind="lag",
        key=endpoint.pk,
        name="over",
        figure=9,
        raised_at=timezone.now(),
        cleared_at=timezone.now(),
    )

    response = role("operations").get("/admin/changefeed/endpoint/")

    figures = {one["label"]: one for one in response.context["feed_figures"]}
    assert figures["endpoints"]["value"] == "2"
    assert figures["endpoints"]["more"] == "1 not sending"
    assert figures["subjects waiting"]["value"] == "2"
    assert figures["subjects parked"]["value"] == "1"
    assert figures["oldest waiting for"]["value"].startswith("3 min ")
    assert [alert["name"] for alert in response.context["feed_alerts"]] == ["WMS"]
    shown = response.content.decode()
    assert "subjects wait for a person" in shown
    rows = {row.name: row for row in response.context["cl"].result_list}
    assert (rows["WMS"].lane_count, rows["WMS"].parked_count, rows["WMS"].alert_count) == (2, 1, 1)
    assert rows["CRM"].alert_count is None


def test_an_alert_of_a_removed_endpoint_is_no_dead_link():
    FeedAlert.objects.create(
        kind="breaker", key=4711, name="<i>gone", figure=1, raised_at=timezone.now()
    )

    shown = page(role("operations"), "endpoint/")

    assert "&lt;i&gt;gone" in shown
    assert "endpoint/4711" not in shown


def test_without_endpoints_the_overview_says_what_to_do():
    assert "Nobody is told about changes yet." in page(root(), "endpoint/")


def test_links_of_the_overview_follow_permissions():
    make_endpoint()

    supervisor = page(role("supervisor"), "endpoint/")
    operations = page(role("operations"), "endpoint/")

    assert "/admin/changefeed/feedlane/" in supervisor
    assert "/admin/changefeed/pullcursor/" not in supervisor
    assert "/admin/changefeed/pullcursor/" in operations
    assert "/admin/changefeed/endpoint/add/" not in operations


def test_the_plot_data_is_valid_json_whatever_the_name():
    endpoint = make_endpoint(name="</script><b>")
    LagSample.objects.create(
        endpoint=endpoint,
        at=timezone.now().replace(second=0, microsecond=0),
        pending_lanes=1,
        parked_lanes=0,
        oldest_pending_seconds=1,
    )

    response = root().get(f"/admin/changefeed/endpoint/{endpoint.pk}/change/")

    assert "</script><b>" not in response.content.decode()
    assert json.dumps(response.context["lag_plot"])
    assert Endpoint.objects.get().name == "</script><b>"
