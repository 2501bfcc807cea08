"""A consumer that starts from the snapshot knows the returns too, and no unit of them twice."""

import pytest

from changefeed.models import Change
from returns.models import ReturnRequest
from tests.orders.calling import Caller
from tests.returns.factories import make_return

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("world")]


def test_a_return_is_told_as_its_last_change_told_it():
    request = make_return()
    erp = Caller("feed:read", source="erp")

    page = erp.get("changes/snapshot/", {"subjects": "return"}).json()

    (item,) = page["results"]
    version = ReturnRequest.objects.get().version
    assert item["subject"] == {"kind": "return", "id": request.number, "version": version}
    last = Change.objects.filter(subject_kind="return", new__has_key="lines").latest("seq")
    assert item["state"] == last.new
    assert page["next"] is None


@pytest.mark.parametrize("limit", ["1", "2", "3", "100"])
def test_all_kinds_together_are_every_subject_once(limit):
    numbers = [make_return().number for _number in range(3)]
    erp = Caller("feed:read", source="erp")
    found: list[tuple[str, str]] = []
    after = ""
    while True:
        page = erp.get("changes/snapshot/", {"limit": limit, "after": after}).json()
        found += [(one["subject"]["kind"], one["subject"]["id"]) for one in page["results"]]
        if not page["next"]:
            break
        after = page["next"]

    assert len(found) == len(set(found))
    assert sorted(name for kind, name in found if kind == "return") == sorted(numbers)
    assert sum(kind == "order" for kind, _name in found) == 3
