"""The filters of an endpoint are tried on the newest changes before they are saved."""

import pytest
from django.db import transaction
from django.utils import translation

from changefeed.admin.filters import LOOKED_AT, preview_filters, words_of
from changefeed.models import Endpoint
from changefeed.recording import act_as, expect_echo, record_change
from tests.changefeed.admin_pages import page, role, root
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db

FORM = {
    "name": "WMS",
    "url": "https://wms.example/",
    "concurrency": 16,
    "rate": 0,
    "batch_size": 1,
}


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def some_changes():
    change("A", kind="order.received")
    change("B", kind="order.received")
    change("A", 2, kind="order.address_changed", field="ship_to")
    change("A", 3, kind="order.held", field="state")
    change("C", kind="shipment.shipped", field="shipment")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("order.*, return.approved", ["order.*", "return.approved"]),
        ("order.held，order.*、state\nx;y；z", ["order.held", "order.*", "state", "x", "y", "z"]),
        (" , ,order.held,order.held ", ["order.held"]),
    ],
)
def test_words_are_read_as_people_write_them(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("kinds", "fields", "matching"),
    [
        ([], [], 5),
        (["order.*"], [], 4),
        (["order.received", "shipment.shipped"], [], 3),
        ([], ["ship_to"], 1),
        (["order.*"], ["state", "shipment"], 1),
        (["order.nothing"], [], 0),
    ],
)
def test_the_preview_counts_what_would_be_sent(some_changes, kinds, fields, matching):
    found = preview_filters(kinds, fields)

    assert (found.total, found.matching) == (5, matching)
    assert sum(tally.matching for tally in found.kinds) == matching
    assert len(found.examples) == min(5, matching)


def test_the_preview_tells_kinds_examples_and_what_is_kept_out(some_changes):
    found = preview_filters(["order.*", "order.recieved"], ["ship_to", "colour"])

    assert [(t.name, t.matching, t.total) for t in found.kinds] == [
        ("order.received", 0, 2),
        ("shipment.shipped", 0, 1),
        ("order.held", 0, 1),
        ("order.address_changed", 1, 1),
    ]
    assert [(e.kind, e.subject_id) for e in found.examples] == [("order.address_changed", "A")]
    assert found.without_field == 2
    assert found.unseen == ["order.recieved", "colour"]


def test_an_echo_does_not_count_as_sent():
    with transaction.atomic():
        act_as("key:CRM", source="crm")
        expect_echo({"ship_to": {"city": "宁波市"}})
        record_change(
            "order.address_changed",
            subject_kind="order",
            subject_id="A",
            subject_version=2,
            field="ship_to",
            new={"city": "宁波市"},
        )

    assert preview_filters([], [], "crm").matching == 0
    assert preview_filters([], [], "crm").echoes == 1
    assert preview_filters([], [], "wms").matching == 1


def test_only_the_newest_are_looked_at():
    changes(subjects=51, versions=20)

    assert preview_filters([], []).total == LOOKED_AT


def test_the_preview_of_the_script_is_a_part_of_a_page(some_changes):
    change("<b>D", kind="order.received")

    shown = page(root(), "endpoint/preview/?kinds=order.received&fields=&source=")

    assert "3 of the last 6 changes (50%)." in shown
    assert "<html" not in shown
    assert "&lt;b&gt;D" in shown
    assert "<b>D" not in shown


def test_without_a_script_a_button_shows_the_preview_and_saves_nothing(some_changes):
    client = root()

    response = client.post(
        "/admin/changefeed/endpoint/add/", {**FORM, "kinds": "order.held", "_preview": "1"}
    )

    shown = response.content.decode()
    assert response.status_code == 200
    assert "1 of the last 5 changes (20%)." in shown
    assert 'value="order.held"' in shown
    assert "errornote" not in shown
    assert not Endpoint.objects.exists()


def test_an_edit_previewed_is_not_an_edit(some_changes):
    endpoint = make_endpoint(kinds=["order.*"])

    response = root().post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/change/",
        {**FORM, "kinds": "shipment.*", "_preview": "1"},
    )

    assert "1 of the last 5 changes (20%)." in response.content.decode()
    endpoint.refresh_from_db()
    assert (endpoint.kinds, endpoint.name != "WMS") == (["order.*"], True)


def test_what_is_stored_is_previewed_at_first(some_changes):
    endpoint = make_endpoint(kinds=["shipment.*"])

    for client in (root(), role("operations")):
        shown = page(client, f"endpoint/{endpoint.pk}/change/")
        assert "1 of the last 5 changes (20%)." in shown


def test_viewers_get_no_controls_of_the_preview(some_changes):
    endpoint = make_endpoint()

    shown = page(role("supervisor"), f"endpoint/{endpoint.pk}/change/")

    assert "5 of the last 5 changes (100%)." in shown
    assert "_preview" not in shown
    assert "data-preview=" not in shown


def test_filters_are_stored_as_lists(some_changes):
    endpoint = make_endpoint()

    root().post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/change/",
        {
            **FORM,
            "kinds": "order.held，order.held shipment.*",
            "fields": "ship_to",
            "source": "wms",
        },
    )

    endpoint.refresh_from_db()
    assert endpoint.kinds == ["order.held", "shipment.*"]
    assert (endpoint.fields, endpoint.source) == (["ship_to"], "wms")


def test_too_many_words_are_refused():
    endpoint = make_endpoint()

    response = root().post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/change/",
        {**FORM, "kinds": ",".join(f"order.k{n}" for n in range(101))},
    )

    assert response.context["adminform"].form.errors["kinds"] == ["At most 100 entries."]
    endpoint.refresh_from_db()
    assert endpoint.kinds == []
