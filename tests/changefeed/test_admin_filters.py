"""The filters of an endpoint are tried on the newest changes before they are saved."""

import pytest
from django.db import transaction
from django.utils import translation

from changefeed import kinds
from changefeed.admin.filters import LOOKED_AT, preview_filters, words_of
from changefeed.admin.kind_picker import with_code
from changefeed.models import Change, Endpoint
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
    ("chosen", "fields", "matching"),
    [
        ([], [], 5),
        (["order.*"], [], 4),
        (["order.received", "shipment.shipped"], [], 3),
        ([], ["ship_to"], 1),
        (["order.*"], ["state", "shipment"], 1),
        (["order.nothing"], [], 0),
    ],
)
def test_the_preview_counts_what_would_be_sent(some_changes, chosen, fields, matching):
    found = preview_filters(chosen, fields)

    assert (found.total, found.matching) == (5, matching)
    assert sum(tally.matching for tally in found.kinds) == matching
    assert len(found.examples) == min(5, matching)


def test_the_preview_tells_kinds_examples_and_what_is_kept_out(some_changes):
    found = preview_filters(
        ["order.*", "order.recieved", "return.approved"], ["ship_to", "colour", "contact"]
    )

    assert [(t.name, t.matching, t.total) for t in found.kinds] == [
        ("order.received", 0, 2),
        ("shipment.shipped", 0, 1),
        ("order.held", 0, 1),
        ("order.address_changed", 1, 1),
    ]
    assert [(e.kind, e.subject_id) for e in found.examples] == [("order.address_changed", "A")]
    assert found.without_field == 2
    assert found.unseen == ["return.approved", "contact"]
    assert found.problems == [
        "“order.recieved” is not a kind of change. Did you mean order.received?",
        "“colour” is not a field of any change.",
    ]


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
            "kinds": "order.address_changed，order.address_changed shipment.*",
            "fields": "ship_to",
            "source": "wms",
        },
    )

    endpoint.refresh_from_db()
    assert endpoint.kinds == ["order.address_changed", "shipment.*"]
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


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        (
            {"kinds": "order.dispatchd"},
            {
                "kinds": [
                    "“order.dispatchd” is not a kind of change. Did you mean order.dispatched?"
                ]
            },
        ),
        (
            {"kinds": "order, order.held, <b>", "fields": "shipto"},
            {
                "kinds": [
                    "“order” is not a kind of change. Did you mean order.*?",
                    "“<b>” is not a kind of change.",
                ],
                "fields": ["“shipto” is not a field of any change. Did you mean ship_to?"],
            },
        ),
        (
            {"kinds": "order.held", "fields": "ship_to"},
            {
                "fields": [
                    "Nothing would ever be sent: no kind chosen here has one of these fields."
                ]
            },
        ),
    ],
)
def test_what_nothing_can_pass_is_refused_with_what_was_meant(typed, errors):
    endpoint = make_endpoint(kinds=["order.*"])

    response = root().post(f"/admin/changefeed/endpoint/{endpoint.pk}/change/", {**FORM, **typed})

    assert response.context["adminform"].form.errors == errors
    assert "<b>” is" not in response.content.decode()
    endpoint.refresh_from_db()
    assert (endpoint.kinds, endpoint.fields, endpoint.name != "WMS") == (["order.*"], [], True)


def test_a_kind_that_was_given_up_may_stay_where_it_is_stored():
    endpoint = make_endpoint(kinds=["order.old", "order.held"], fields=["former"])
    address = f"/admin/changefeed/endpoint/{endpoint.pk}/change/"
    client = root()

    # More kinds do not help while the only field asked for is one that nothing has any more.
    more = {"kinds": "order.old, order.held, order.shipped", "fields": "former"}
    shown = client.post(address, {**FORM, **more})
    assert list(shown.context["adminform"].form.errors) == ["fields"]
    endpoint.refresh_from_db()
    assert (endpoint.kinds, endpoint.fields) == (["order.old", "order.held"], ["former"])
    client.post(address, {**FORM, "kinds": "order.old, order.shipped", "fields": "former, state"})
    endpoint.refresh_from_db()
    assert endpoint.kinds == ["order.old", "order.shipped"]
    assert endpoint.fields == ["former", "state"]
    shown = client.post(address, {**FORM, "kinds": "order.older", "fields": ""})

    assert "kinds" in shown.context["adminform"].form.errors


def test_an_endpoint_with_a_given_up_kind_can_be_edited_otherwise():
    endpoint = make_endpoint(kinds=["order.old"], fields=["former"])

    root().post(
        f"/admin/changefeed/endpoint/{endpoint.pk}/change/",
        {**FORM, "kinds": "order.old", "fields": "former"},
    )

    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.kinds) == ("WMS", ["order.old"])


def test_the_picker_offers_every_kind_with_what_is_stored(some_changes):
    endpoint = make_endpoint(kinds=["shipment.*", "order.held"], fields=["state", "shipment"])

    context = root().get(f"/admin/changefeed/endpoint/{endpoint.pk}/change/").context

    families = {family.name: family for family in context["families"]}
    offered = [kind.name for family in context["families"] for kind in family.kinds]
    assert offered == [kind.name for kind in kinds.known()]
    assert {name for name, one in families.items() if one.is_chosen} == {"shipment"}
    assert {name for name, one in families.items() if one.is_open} == {"order"}
    assert all(kind.is_chosen for kind in families["shipment"].kinds)
    chosen = [kind.name for kind in families["order"].kinds if kind.is_chosen]
    assert chosen == ["order.held"]
    counts = {kind.name: kind.count for kind in families["order"].kinds if kind.count}
    assert counts == {"order.received": 2, "order.held": 1, "order.address_changed": 1}
    assert (families["order"].count, families["hold"].count) == (4, 0)
    assert context["kinds_chosen"] == len(families["shipment"].kinds) + 1
    fields = {field.name: (field.count, field.is_chosen) for field in context["filter_fields"]}
    assert (fields["state"], fields["ship_to"]) == ((1, True), (1, False))


def test_after_a_refusal_the_picker_shows_what_was_typed():
    response = root().post(
        "/admin/changefeed/endpoint/add/", {**FORM, "kinds": "hold.opened, order.hled"}
    )

    chosen = {
        kind.name
        for family in response.context["families"]
        for kind in family.kinds
        if kind.is_chosen
    }
    assert chosen == {"hold.opened"}
    assert 'value="hold.opened, order.hled"' in response.content.decode()


@pytest.mark.parametrize("group", ["supervisor", "operations"])
def test_viewers_get_no_picker(group, some_changes):
    endpoint = make_endpoint()

    assert "data-picker" not in page(role(group), f"endpoint/{endpoint.pk}/change/")


def test_sentences_show_names_as_code_and_nothing_else_as_markup():
    assert with_code("`new` is <b>") == "<code>new</code> is &lt;b&gt;"


def test_pages_say_what_a_kind_is_called():
    endpoint = make_endpoint()
    change("A", kind="order.address_changed", field="ship_to")
    change("A", 2, kind="order.held", field="state")
    change("A", 3, kind="order.unheard_of")
    client = root()

    log = page(client, "change/")
    lane = page(client, f"feedlane/{endpoint.lanes.get().pk}/change/")
    single = page(client, f"change/{Change.objects.earliest('seq').pk}/change/")

    assert 'order.held <span class="desk-muted feed-label">Order held</span>' in log
    assert 'order.held <span class="desk-muted">Order held</span>' in lane
    for shown in (log, lane):
        assert "order.unheard_of" in shown
    address = 'order.address_changed <span class="desk-muted feed-label">Address changed</span>'
    assert address in single


def test_a_wrong_network_and_a_taken_name_are_explained():
    make_endpoint(name="WMS")

    response = root().post(
        "/admin/changefeed/endpoint/add/", {**FORM, "allowed_networks": "10.20.0.0/16, 10.1/99"}
    )

    errors = response.context["adminform"].form.errors
    assert errors["allowed_networks"] == ["“10.1/99” is not a network; write it like 10.20.0.0/16."]
    assert errors["name"] == ["Another endpoint has this name."]
    assert Endpoint.objects.count() == 1


def test_networks_are_written_with_commas_or_spaces():
    root().post(
        "/admin/changefeed/endpoint/add/", {**FORM, "allowed_networks": "10.20.0.0/16 fd00::/8"}
    )

    assert Endpoint.objects.get().allowed_networks == ["10.20.0.0/16", "fd00::/8"]
