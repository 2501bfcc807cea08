"""Staff watch the feed; superusers change endpoints and keys; parked lanes are settled."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone, translation

from changefeed import keys
from changefeed.models import ApiKey, Attempt, Change, Endpoint, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db

SUBMITTED = {"_form_submitted": "true"}


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def client_of(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def superuser_client() -> Client:
    return client_of(User.objects.create_superuser("root"))


def make_staff(*codenames: str) -> Client:
    user = User.objects.create_user("ops", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="changefeed", codename__in=codenames)
    )
    return client_of(user)


@pytest.fixture
def viewer() -> Client:
    return make_staff(
        "view_endpoint", "view_feedlane", "view_change", "view_attempt", "view_apikey"
    )


def park(lane: FeedLane) -> FeedLane:
    lane.state, lane.due_at, lane.rejections = "parked", None, 12
    lane.save()
    Attempt.objects.create(
        endpoint=lane.endpoint,
        subject_kind=lane.subject_kind,
        subject_id=lane.subject_id,
        seq=lane.head_seq,
        sent_at=timezone.now(),
        outcome="rejected",
        status=422,
        latency_ms=3,
        answer="<script>no such SKU</script>",
    )
    return lane


def page(client: Client, path: str) -> str:
    response = client.get(f"/admin/changefeed/{path}")
    assert response.status_code == 200
    return response.content.decode()


def test_a_new_endpoint_shows_its_secret_once(superuser_client):
    response = superuser_client.post(
        "/admin/changefeed/endpoint/add/",
        {
            "name": "WMS",
            "url": "https://wms.example/hook",
            "kinds": "order.*,return.approved",
            "fields": "",
            "concurrency": 16,
            "rate": 0,
            "batch_size": 1,
            "allowed_networks": "10.20.0.0/16",
        },
        follow=True,
    )

    endpoint = Endpoint.objects.get()
    assert endpoint.kinds == ["order.*", "return.approved"]
    assert endpoint.allowed_networks == ["10.20.0.0/16"]
    (secret,) = endpoint.secrets
    assert secret in response.content.decode()
    assert secret not in page(superuser_client, f"endpoint/{endpoint.pk}/change/")
    assert secret not in page(superuser_client, "endpoint/")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://wms.example/"),
        ("url", "javascript:alert(1)"),
        ("url", "https://user:pass@wms.example/"),
        ("allowed_networks", "everything"),
        ("concurrency", "0"),
        ("batch_size", "0"),
        ("kinds", "order.held, <script>"),
        ("fields", "ship to; drop*"),
    ],
)
def test_an_odd_endpoint_is_refused(superuser_client, field, value):
    data = {
        "name": "WMS",
        "url": "https://wms.example/",
        "concurrency": 16,
        "rate": 0,
        "batch_size": 1,
    }

    response = superuser_client.post("/admin/changefeed/endpoint/add/", {**data, field: value})

    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
    assert not Endpoint.objects.exists()


def test_an_edit_leaves_secrets_and_state_alone(superuser_client):
    endpoint = make_endpoint(name="WMS", state="open", failures=7)

    superuser_client.post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/change/",
        {
            "name": "WMS 2",
            "url": endpoint.url,
            "concurrency": 8,
            "rate": 5,
            "batch_size": 1,
            "state": "active",
            "secrets": "[]",
        },
    )

    edited = Endpoint.objects.get()
    assert (edited.name, edited.concurrency, edited.rate) == ("WMS 2", 8, 5)
    assert (edited.secrets, edited.state, edited.failures) == (endpoint.secrets, "open", 7)


def test_addresses_are_never_links(superuser_client, viewer):
    endpoint = make_endpoint(url="https://wms.example/hook")

    for client in (superuser_client, viewer):
        for path in ("endpoint/", f"endpoint/{endpoint.pk}/change/"):
            shown = page(client, path)
            assert "https://wms.example/hook" in shown
            assert 'href="https://wms.example' not in shown


def test_pausing_and_resuming(superuser_client):
    endpoint = make_endpoint()
    base = f"/admin/changefeed/endpoint/{endpoint.pk}"

    superuser_client.post(f"{base}/pause/", {**SUBMITTED, "reason": "stock-taking"})
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("paused", "stock-taking")
    assert "stock-taking" in page(superuser_client, f"endpoint/{endpoint.pk}/change/")

    superuser_client.post(f"{base}/resume/", SUBMITTED)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("active", "")


def test_looking_at_a_dialog_changes_nothing(superuser_client):
    endpoint = make_endpoint()
    for act in ("pause", "resume", "rotate_secret", "retire_secrets", "remove"):
        assert superuser_client.get(
            f"/admin/changefeed/endpoint/{endpoint.pk}/{act}/"
        ).status_code == 200  # fmt: skip

    untouched = Endpoint.objects.get()
    assert (untouched.state, untouched.secrets) == ("active", endpoint.secrets)


def test_a_secret_is_rotated_with_an_overlap_and_then_retired(superuser_client):
    endpoint = make_endpoint()
    (old,) = endpoint.secrets
    base = f"/admin/changefeed/endpoint/{endpoint.pk}"

    response = superuser_client.post(f"{base}/rotate_secret/", SUBMITTED, follow=True)
    endpoint.refresh_from_db()
    new = endpoint.secrets[0]
    assert endpoint.secrets == [new, old]
    assert new in response.content.decode()
    assert old not in response.content.decode()

    superuser_client.post(f"{base}/retire_secrets/", SUBMITTED)
    endpoint.refresh_from_db()
    assert endpoint.secrets == [new]


def test_removing_an_endpoint_gives_its_lanes_up(superuser_client):
    endpoint = make_endpoint()
    make_endpoint(name="other")
    changes(subjects=3, versions=1)

    superuser_client.post(f"/admin/changefeed/endpoint/{endpoint.pk}/remove/", SUBMITTED)

    assert [one.name for one in Endpoint.objects.all()] == ["other"]
    assert FeedLane.objects.count() == 3


def test_viewers_see_but_change_nothing(viewer):
    endpoint = make_endpoint(name="WMS")
    change("A")
    lane = park(FeedLane.objects.get())
    key, _plain = keys.create_key("ERP", source="erp", scopes=["feed:read"])

    for path in ("endpoint/", "feedlane/", "change/", "attempt/", "apikey/"):
        page(viewer, path)
    for path, acts in {
        f"endpoint/{endpoint.pk}": ("pause", "resume", "rotate_secret", "retire_secrets", "remove"),
        f"feedlane/{lane.pk}": ("resume", "skip"),
        f"apikey/{key.pk}": ("revoke",),
    }.items():
        assert page(viewer, f"{path}/change/")
        for act in acts:
            response = viewer.post(
                f"/admin/changefeed/{path}/{act}/", {**SUBMITTED, "reason": "because"}
            )
            assert response.status_code == 403
    assert viewer.post("/admin/changefeed/endpoint/add/", {"name": "x"}).status_code == 403
    assert viewer.post("/admin/changefeed/apikey/add/", {"name": "x"}).status_code == 403
    assert (
        viewer.post(f"/admin/changefeed/endpoint/{endpoint.pk}/change/", {"name": "x"}).status_code
        == 403
    )

    assert Endpoint.objects.get().name == "WMS"
    assert FeedLane.objects.get().state == "parked"
    assert ApiKey.objects.get().revoked_at is None


def test_staff_without_permission_see_nothing():
    client = make_staff()
    for path in ("endpoint/", "feedlane/", "change/", "attempt/", "apikey/", "pullcursor/"):
        assert client.get(f"/admin/changefeed/{path}").status_code == 403


def test_a_parked_lane_shows_what_was_sent_and_what_came_back(viewer):
    make_endpoint()
    change("DY-1", 4, field="ship_to_city", old="杭州市", new="<b>宁波市</b>")
    lane = park(FeedLane.objects.get())

    shown = page(viewer, f"feedlane/{lane.pk}/change/")

    assert "杭州市" in shown
    assert "&lt;b&gt;宁波市" in shown
    assert "&lt;script&gt;no such SKU" in shown
    assert "<script>no such SKU" not in shown
    assert "422" in shown


def test_a_lane_is_resumed_by_who_may_settle(db):
    settler = make_staff("view_feedlane", "change_feedlane")
    make_endpoint()
    change("A")
    lane = park(FeedLane.objects.get())

    settler.post(f"/admin/changefeed/feedlane/{lane.pk}/resume/", SUBMITTED)

    lane.refresh_from_db()
    assert (lane.state, lane.rejections, lane.attempts) == ("ready", 0, 0)
    assert lane.due_at is not None
    assert lane.due_at <= timezone.now()


def test_a_lane_that_is_not_parked_is_left_alone(superuser_client):
    make_endpoint()
    change("A")
    lane = FeedLane.objects.get()

    for act in ("resume", "skip"):
        response = superuser_client.post(
            f"/admin/changefeed/feedlane/{lane.pk}/{act}/",
            {**SUBMITTED, "reason": "because"},
            follow=True,
        )
        assert "not parked any more" in response.content.decode()
    assert Change.objects.count() == 1
    lane.refresh_from_db()
    assert lane.state == "ready"


def test_skipping_needs_a_reason(superuser_client):
    make_endpoint()
    change("A")
    lane = park(FeedLane.objects.get())

    superuser_client.post(f"/admin/changefeed/feedlane/{lane.pk}/skip/", SUBMITTED)

    assert FeedLane.objects.get().state == "parked"
    assert Change.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_skipped_change_leaves_a_recorded_gap_and_the_rest_is_sent(receiver, superuser_client):
    make_endpoint(url=receiver.url, name="WMS")
    change("A", 1)
    change("A", 2)
    lane = park(FeedLane.objects.get())
    skipped = Change.objects.get(seq=lane.head_seq)

    superuser_client.post(
        f"/admin/changefeed/feedlane/{lane.pk}/skip/", {**SUBMITTED, "reason": "unknown SKU"}
    )
    drain_once()

    gap = Change.objects.get(kind="lane.skipped")
    assert gap.actor == "user:root"
    assert gap.new == {
        "endpoint": "WMS",
        "seq": skipped.seq,
        "id": str(skipped.event_id),
        "reason": "unknown SKU",
    }
    assert [one.document["type"] for one in receiver.seen] == ["order.changed", "lane.skipped"]
    assert receiver.seen[0].version == 2
    assert not FeedLane.objects.exists()


def test_a_key_is_shown_once_and_can_be_revoked(superuser_client):
    response = superuser_client.post(
        "/admin/changefeed/apikey/add/",
        {"name": "WMS", "source": "wms", "scopes": ["orders:write", "feed:read"]},
        follow=True,
    )
    key = ApiKey.objects.get()
    shown = response.content.decode()
    found = re.search(rf"{key.prefix}_[\w-]+", shown)
    assert found
    plain = found[0]
    assert keys.find_key(plain) == key
    assert plain not in page(superuser_client, f"apikey/{key.pk}/change/")
    assert key.hash not in page(superuser_client, f"apikey/{key.pk}/change/")

    superuser_client.post(f"/admin/changefeed/apikey/{key.pk}/revoke/", SUBMITTED)

    assert keys.find_key(plain) is None
    assert ApiKey.objects.get().revoked_at is not None


def test_lists_cost_the_same_however_many_rows(viewer, django_assert_max_num_queries):
    make_endpoint()
    make_endpoint()
    changes(subjects=30, versions=1)
    for path in ("endpoint/", "feedlane/", "change/", "attempt/"):
        with django_assert_max_num_queries(12):
            page(viewer, path)


def test_changes_are_found_by_subject(viewer):
    change("DY-1")
    change("DY-2")

    assert "DY-2" not in page(viewer, "change/?q=DY-1").replace("DY-2</option>", "")
    assert "order DY-1" in page(viewer, "change/?q=order:DY-1")
    assert "order DY-1" not in page(viewer, "change/?q=sku:DY-1")


def test_a_single_change_can_be_looked_at(viewer):
    change("DY-1", new={"a": 1})
    seq = Change.objects.get().seq

    assert "DY-1" in page(viewer, f"change/{seq}/change/")
