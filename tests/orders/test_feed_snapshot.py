"""A consumer starts from the present state and goes on with the changes, missing nothing."""

from typing import Any

import pytest

from changefeed.models import PullWindow
from orders.actors import SYSTEM
from orders.lifecycle.changing import change_order
from orders.models import Order
from tests.factories import order_document
from tests.orders.calling import Caller, fields_of, refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def erp(world: None) -> Caller:
    shop = Caller()
    for number in range(1, 6):
        shop.place(order_document(f"DY-{number}", paid_at=None))
    return Caller("feed:read", source="erp")


def read_all(erp: Caller, **query: str) -> tuple[list[dict[str, Any]], str]:
    page = erp.get("changes/snapshot/", query).json()
    items, cursor = page["results"], page["changes_cursor"]
    while page["next"]:
        page = erp.get("changes/snapshot/", query | {"after": page["next"]}).json()
        assert page["changes_cursor"] is None
        items += page["results"]
    return items, cursor


@pytest.mark.parametrize("limit", ["1", "2", "3", "100"])
def test_pages_together_are_every_subject_once(erp: Caller, limit):
    items, _cursor = read_all(erp, limit=limit)

    found = [(item["subject"]["kind"], item["subject"]["id"]) for item in items]
    assert sorted(found) == sorted(set(found))
    assert [name for kind, name in found if kind == "order"] == [f"DY-{n}" for n in range(1, 6)]
    assert sum(kind == "customer" for kind, _name in found) == 5


def test_the_state_is_that_of_the_feed(erp: Caller):
    (item,) = [i for i in read_all(erp, subjects="order")[0] if i["subject"]["id"] == "DY-1"]
    order = Order.objects.get(number="DY-1")

    assert item["subject"] == {"kind": "order", "id": "DY-1", "version": order.version}
    assert item["state"]["ship_to"] == {
        "province": order.province,
        "city": order.city,
        "district": order.district,
        "street": order.street,
    }
    assert item["state"]["lines"] == [
        {"sku": "TEA-1", "quantity": 1, "unit_price": "99.00", "is_gift": False}
    ]
    assert (item["state"]["state"], item["state"]["shipments"]) == ("received", [])


def test_what_changes_while_pages_are_read_comes_behind_the_cursor(erp: Caller):
    first = erp.get("changes/snapshot/", {"limit": "2"}).json()
    change_order("DY-1", version=None, fields={"invoice_title": "公司"}, actor=SYSTEM)
    Caller().place(order_document("DY-9", paid_at=None))

    page = erp.get("changes/", {"cursor": first["changes_cursor"]}).json()

    told = [(one["type"], one["data"]["subject"]["id"]) for one in page["results"]]
    assert told == [("order.invoice_title_changed", "DY-1"), ("order.received", "DY-9")]


def test_starting_again_gives_a_cursor_of_its_own(erp: Caller):
    one = read_all(erp)[1]
    other = read_all(erp)[1]

    assert one != other
    assert PullWindow.objects.count() == 2


@pytest.mark.parametrize(
    ("query", "field"), [({"after": "made-up"}, "after"), ({"subjects": "spaceship"}, "subjects")]
)
def test_nonsense_is_refused(erp: Caller, query, field):
    problem = refused(erp.get("changes/snapshot/", query), 422)

    assert {name for name, _code in fields_of(problem)} == {field}


def test_a_key_needs_the_scope(erp: Caller):
    refused(Caller("orders:read").get("changes/snapshot/"), 403)
