"""Every address of the feed's pages, by every role and verb: denied unless written down here."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from changefeed.keys import create_key
from changefeed.models import (
    ApiKey,
    Attempt,
    Change,
    Endpoint,
    FeedLane,
    PullCursor,
    Replay,
)
from tests.changefeed.admin_pages import SUBMITTED, attempt, client_of, park
from tests.changefeed.rows import change, make_endpoint
from tests.factories import make_user

pytestmark = pytest.mark.django_db

ROOT, OPERATIONS, SUPERVISOR = "root", "operations", "supervisor"
ROLES = (ROOT, OPERATIONS, SUPERVISOR, "agent", "warehouse", "none", "anonymous")

ALL_VIEWERS = {ROOT, OPERATIONS, SUPERVISOR}
VIEWERS = {
    "endpoint": ALL_VIEWERS,
    "feedlane": ALL_VIEWERS,
    "change": ALL_VIEWERS,
    "apikey": {ROOT, OPERATIONS},
    "attempt": {ROOT, OPERATIONS},
    "replay": {ROOT, OPERATIONS},
    "pullcursor": {ROOT, OPERATIONS},
}
ENDPOINT_ACTS = ("pause", "resume", "rotate_secret", "retire_secrets", "remove")

# Page → who may look, who may act. What is not here, nobody may.
MAY = {
    "endpoint_add": ({ROOT}, {ROOT}),
    "apikey_add": ({ROOT}, {ROOT}),
    "endpoint_preview": (ALL_VIEWERS, ALL_VIEWERS),
    "endpoint_replay": ({ROOT, OPERATIONS}, {ROOT, OPERATIONS}),
    "endpoint_call_off": (set(), {ROOT, OPERATIONS}),
    "apikey_revoke": ({ROOT}, {ROOT}),
    "feedlane_resume": ({ROOT, OPERATIONS}, {ROOT, OPERATIONS}),
    "feedlane_skip": ({ROOT, OPERATIONS}, {ROOT, OPERATIONS}),
    "endpoint_ping": (set(), {ROOT}),
    "feedlane_reveal": (set(), {ROOT, SUPERVISOR}),
    "change_reveal": (set(), {ROOT, SUPERVISOR}),
    "attempt_reveal": (set(), {ROOT}),
    **{f"endpoint_{act}": ({ROOT}, {ROOT}) for act in ENDPOINT_ACTS},
    **{f"{model}_changelist": (who, who) for model, who in VIEWERS.items()},
    **{f"{model}_history": (who, who) for model, who in VIEWERS.items()},
    **{f"{model}_change": (who, set()) for model, who in VIEWERS.items()},
    "endpoint_change": (ALL_VIEWERS, {ROOT}),
}
POST_ONLY = {name for name, (lookers, _actors) in MAY.items() if not lookers}
CHANGE_NOTHING = ("preview", "changelist", "history", "reveal", "ping")

HOSTILE = {
    **SUBMITTED,
    "name": "taken over",
    "url": "https://evil.example/",
    "source": "evil",
    "scopes": ["orders:write"],
    "secrets": "[]",
    "state": "active",
    "signing_secret": "",
    "hash": "0" * 64,
    "revoked_at": "",
    "kinds": "",
    "fields": "",
    "concurrency": "1",
    "rate": "0",
    "batch_size": "1",
    "allowed_networks": "0.0.0.0/0",
    "reason": "because",
    "scope": "all",
    "key": "00000000-0000-4000-8000-000000000001",
    "head_seq": "999999",
    "after_seq": "999999",
    "action": "delete_selected",
    "_selected_action": "1",
    "post": "yes",
    "form-TOTAL_FORMS": "1",
    "form-INITIAL_FORMS": "1",
    "form-0-id": "1",
}


@pytest.fixture
def rows() -> dict[str, Any]:
    """One row of each model, the lane parked."""
    endpoint = make_endpoint(name="WMS", url="http://127.0.0.1:9/hook")
    change("DY-1", new={"recipient": {"name": "林婷"}})
    lane = park(FeedLane.objects.get())
    key, _plain = create_key("ERP", source="erp", scopes=["feed:read"], signed=True)
    replay = Replay.objects.create(
        endpoint=endpoint, actor="user:ops", first_seq=1, next_seq=2, last_seq=1
    )
    return {
        "endpoint": endpoint,
        "feedlane": lane,
        "change": Change.objects.get(),
        "apikey": key,
        "attempt": attempt(lane),
        "replay": replay,
        "pullcursor": PullCursor.objects.create(api_key=key),
    }


def pages() -> list[str]:
    """Every named page of the feed, as the site has them."""
    found = [
        part.name
        for group in admin.site.get_urls()
        for part in getattr(group, "url_patterns", [group])
        if (part.name or "").startswith("changefeed_")
    ]
    return sorted(name.removeprefix("changefeed_") for name in found)


def address(page: str, rows: dict[str, Any]) -> str:
    model, _underscore, rest = page.partition("_")
    needs_row = rest not in ("changelist", "add", "preview")
    return reverse(f"admin:changefeed_{page}", args=[rows[model].pk] if needs_row else [])


def client_as(role: str) -> Client:
    if role == "anonymous":
        return Client()
    if role == ROOT:
        return client_of(User.objects.create_superuser("root"))
    return client_of(make_user("" if role == "none" else role))


def stored() -> list[Any]:
    models = (Endpoint, FeedLane, Change, ApiKey, Attempt, Replay, PullCursor)
    return [list(model.objects.order_by("pk").values()) for model in models]


def require_denied(role: str, response: Any, page: str) -> None:
    if role == "anonymous":
        assert response.status_code == 302, page
        assert response["Location"].startswith("/admin/login/"), page
    else:
        assert response.status_code in (403, 405), (page, response.status_code)


def test_every_rule_is_about_a_page():
    assert set(MAY) <= set(pages())
    assert len(pages()) > 40


@pytest.mark.parametrize("role", ROLES)
def test_who_may_look_at_which_page_and_looking_changes_nothing(rows, role):
    client, before = client_as(role), stored()

    for page in pages():
        response = client.get(address(page, rows))
        if role in MAY.get(page, (set(), set()))[0]:
            assert response.status_code == 200, page
        else:
            require_denied(role, response, page)
            assert "林婷" not in response.content.decode()

    assert stored() == before


@pytest.mark.parametrize("role", ROLES)
def test_who_may_act_and_whatever_else_is_posted_changes_nothing(rows, role):
    client, before = client_as(role), stored()

    for page in pages():
        savepoint = transaction.savepoint()
        response = client.post(address(page, rows), HOSTILE)
        if role in MAY.get(page, (set(), set()))[1]:
            assert response.status_code < 400, page
            if page.endswith(CHANGE_NOTHING):
                assert stored() == before, page
        else:
            require_denied(role, response, page)
            assert stored() == before, page
        transaction.savepoint_rollback(savepoint)


def test_other_verbs_do_nothing_even_for_who_may_do_all(rows):
    client, before = client_as(ROOT), stored()

    for page in MAY:
        response = client.delete(address(page, rows), "name=x&reason=x", "text/plain")
        assert page not in POST_ONLY or response.status_code == 405, page

    assert stored() == before


def test_no_page_writes_fields_that_are_not_its_forms(rows):
    """As a superuser, so that nothing but the form itself keeps them out."""
    client = client_as(ROOT)
    endpoint = rows["endpoint"]

    answer = client.post(address("endpoint_change", rows), HOSTILE)

    assert answer.status_code == 302
    edited = Endpoint.objects.get()
    assert (edited.name, edited.allowed_networks) == ("taken over", ["0.0.0.0/0"])
    assert (edited.secrets, edited.created_at) == (endpoint.secrets, endpoint.created_at)
    client.post(address("apikey_add", rows), HOSTILE | {"name": "new"})
    made = ApiKey.objects.get(name="new")
    assert made.hash != "0" * 64
    assert (made.scopes, made.revoked_at) == (["orders:write"], None)


@pytest.mark.parametrize("page", sorted({"apikey_revoke", "endpoint_remove", "feedlane_skip"}))
def test_acts_need_the_token_of_the_page(rows, page):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    before = stored()

    assert client.post(address(page, rows), HOSTILE).status_code == 403
    assert stored() == before


@pytest.mark.parametrize("odd", ["0", "-1", "x", "9" * 40, "1%00", "%ED%A0%80", "../1", "1/../2"])
def test_an_act_on_what_is_not_there_is_answered_and_changes_nothing(rows, odd):
    client, before = client_as(ROOT), stored()
    acts = [
        *(f"endpoint/{{}}/{act}/" for act in (*ENDPOINT_ACTS, "ping", "replay")),
        *("apikey/{}/revoke/", "feedlane/{}/resume/", "feedlane/{}/skip/"),
        *("feedlane/{}/reveal/", "change/{}/reveal/", "attempt/{}/reveal/"),
    ]
    for act in acts:
        response = client.post("/admin/changefeed/" + act.format(odd), HOSTILE)
        assert response.status_code in (302, 404), (act, response.status_code)
    assert stored() == before
