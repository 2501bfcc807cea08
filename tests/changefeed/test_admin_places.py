"""One step from the overview to what needs a person, and from a subject to all that is known."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from changefeed import keys
from changefeed.models import ApiKey, Endpoint, FeedAlert, FeedLane
from tests.changefeed.admin_pages import SUBMITTED, attempt, client_of, page, park, role, root
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def alert(kind: str, key: int, name: str = "x") -> FeedAlert:
    return FeedAlert.objects.create(
        kind=kind, key=key, name=name, figure=1, raised_at=timezone.now()
    )


def overview(client):
    return client.get("/admin/changefeed/endpoint/")


def test_a_quiet_feed_is_told_in_one_sentence():
    make_endpoint()
    client = role("operations")

    well = "All is well: every endpoint answers and knows everything it takes."
    assert overview(client).context["feed_sentence"] == well

    change("A")
    FeedLane.objects.update(pending_since=timezone.now() - timedelta(seconds=100))
    said = overview(client).context["feed_sentence"]
    assert said.startswith("All is well: every endpoint answers; 1 subject is on its way, for 1 m")


@pytest.mark.parametrize("trouble", ["parked", "paused", "alert", "none there"])
def test_trouble_is_never_called_well(trouble):
    if trouble != "none there":
        endpoint = make_endpoint()
        change("A")
    if trouble == "parked":
        park(FeedLane.objects.get())
    if trouble == "paused":
        Endpoint.objects.update(state="paused")
    if trouble == "alert":
        alert("lag", endpoint.pk)

    response = overview(role("operations"))

    assert response.context["feed_sentence"] == ""
    assert "All is well" not in response.content.decode()


def test_parked_subjects_are_one_step_away():
    endpoint = make_endpoint()
    change("A")
    park(FeedLane.objects.get())
    alert("parked", endpoint.pk)

    response = overview(role("operations"))

    parked = f"/admin/changefeed/feedlane/?state__exact=parked&endpoint__id__exact={endpoint.pk}"
    assert [one["link"] for one in response.context["feed_alerts"]] == [parked]
    figures = {one["label"]: one.get("link") for one in response.context["feed_figures"]}
    assert figures["subjects parked"] == "/admin/changefeed/feedlane/?state__exact=parked"
    assert "order A" in page(role("supervisor"), parked.removeprefix("/admin/changefeed/"))


def test_an_alert_about_a_key_is_no_alert_of_the_endpoint_with_its_number():
    endpoint = make_endpoint()
    alert("consumer", endpoint.pk, "ERP")

    response = overview(role("operations"))

    (row,) = response.context["cl"].result_list
    assert row.alert_count is None
    assert [one["link"] for one in response.context["feed_alerts"]] == [
        "/admin/changefeed/pullcursor/"
    ]
    # Supervisors may not open that page, and are not led to it.
    assert [one["link"] for one in overview(role("supervisor")).context["feed_alerts"]] == [""]


def test_a_subject_is_sought_from_the_overview_and_followed_from_list_to_list():
    make_endpoint()
    change("DY-1")
    change("DY-2")
    attempt(FeedLane.objects.get(subject_id="DY-1"))
    operations = role("operations")

    assert 'formaction="/admin/changefeed/attempt/"' in page(operations, "endpoint/")
    for model in ("change", "feedlane", "attempt"):
        for sought in ("DY-1", "order:DY-1"):
            found = operations.get(f"/admin/changefeed/{model}/", {"q": sought})
            assert [row.subject_id for row in found.context["cl"].result_list] == ["DY-1"]
            text = found.content.decode()
            assert "/admin/changefeed/change/?q=" in text
            assert "/admin/changefeed/attempt/?q=" in text
    assert "/admin/changefeed/attempt/" not in page(role("supervisor"), "change/?q=DY-1")


def test_what_is_sought_is_shown_as_text():
    make_endpoint()

    shown = page(role("operations"), "change/?q=<script>alert(1)</script>")

    assert "<script>alert(1)" not in shown


def test_empty_lists_say_what_that_means():
    operations = role("operations")

    assert "Nothing waits: every endpoint knows" in page(operations, "feedlane/")
    assert "Nothing has been sent yet." in page(operations, "attempt/")
    assert "Nothing has changed yet." in page(operations, "change/")
    assert "Nothing was asked for again yet." in page(operations, "replay/")


@pytest.mark.parametrize(
    ("state", "secrets", "offered"),
    [
        ("active", 1, {"pause", "rotate_secret", "remove"}),
        ("active", 2, {"pause", "rotate_secret", "retire_secrets", "remove"}),
        ("open", 1, {"resume", "pause", "rotate_secret", "remove"}),
        ("paused", 1, {"resume", "rotate_secret", "remove"}),
    ],
)
def test_only_acts_that_would_do_something_are_offered(state, secrets, offered):
    endpoint = make_endpoint(state=state)
    Endpoint.objects.update(secrets=endpoint.secrets * secrets)

    shown = page(root(), f"endpoint/{endpoint.pk}/change/")

    acts = ("resume", "pause", "rotate_secret", "retire_secrets", "remove")
    assert {act for act in acts if f"/endpoint/{endpoint.pk}/{act}/" in shown} == offered


def test_the_endpoint_leads_to_its_failed_attempts():
    endpoint = make_endpoint()
    change("A")
    attempt(FeedLane.objects.get())
    attempt(FeedLane.objects.get(), outcome="delivered", answer="fine", status=204)
    operations = role("operations")

    response = operations.get(f"/admin/changefeed/endpoint/{endpoint.pk}/change/")
    refused = response.context["failed_links"][0]["link"]

    rows = operations.get(refused).context["cl"].result_list
    assert [row.outcome for row in rows] == ["rejected"]
    supervisor = page(role("supervisor"), f"endpoint/{endpoint.pk}/change/")
    assert "/admin/changefeed/attempt/?" not in supervisor


def test_a_signed_key_shows_both_secrets_once():
    client = client_of(User.objects.create_superuser("root"))

    shown = client.post(
        "/admin/changefeed/apikey/add/",
        {"name": "CRM", "source": "crm", "scopes": ["feed:write"], "signed": "on"},
        follow=True,
    ).content.decode()

    key = ApiKey.objects.get()
    assert key.signing_secret.startswith("whsec_")
    assert key.signing_secret in shown
    assert key.prefix in shown
    for path in ("apikey/", f"apikey/{key.pk}/change/"):
        assert key.signing_secret not in page(client, path)
    assert "required" in page(client, f"apikey/{key.pk}/change/")


def test_every_scope_is_explained_and_a_revoked_key_has_nothing_left_to_do():
    client = root()
    key = keys.create_key("WMS", source="wms", scopes=["feed:read"])[0]
    assert "feed:read – pull changes" in page(client, "apikey/add/")
    assert f"/apikey/{key.pk}/revoke/" in page(client, f"apikey/{key.pk}/change/")

    client.post(f"/admin/changefeed/apikey/{key.pk}/revoke/", SUBMITTED)

    assert f"/apikey/{key.pk}/revoke/" not in page(client, f"apikey/{key.pk}/change/")
