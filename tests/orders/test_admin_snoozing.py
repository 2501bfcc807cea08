"""From a hold to a snooze: who may, what follows, and both or neither."""

import pytest
from django.urls import reverse

from changefeed.models import Change
from orders.models import Hold
from rules.models import RuleSnooze
from tests.orders.acting import hold_rule, placed, publish_rules
from tests.orders.desk import held_order, person

pytestmark = pytest.mark.django_db


def at(hold: Hold) -> str:
    return reverse("admin:orders_hold_snooze", args=[hold.pk])


@pytest.mark.parametrize(
    ("group", "status"),
    [("supervisor", 200), ("operations", 200), ("agent", 403), ("warehouse", 403)],
)
def test_supervisors_and_operations_may_snooze(world: None, group: str, status: int) -> None:
    hold = held_order()
    _user, client = person(group)

    assert client.get(at(hold)).status_code == status
    page = client.get(reverse("admin:orders_hold_change", args=[hold.pk])).content.decode()
    assert (at(hold) in page) is (status == 200)
    if status == 403:
        assert client.post(at(hold), {"days": 7, "reason": "r"}).status_code == 403
        assert not RuleSnooze.objects.exists()


def test_the_rule_sleeps_for_the_customer_and_the_hold_is_released(world: None) -> None:
    hold = held_order()
    user, client = person("supervisor")

    client.post(at(hold), {"days": 7, "reason": "known buyer", "release": "on"})

    snooze = RuleSnooze.objects.get()
    hold.refresh_from_db()
    assert (snooze.rule_key, snooze.customer) == (hold.rule_key, hold.order.customer.external_id)
    assert (snooze.reason, snooze.created_by) == ("known buyer", f"user:{user.username}")
    assert (hold.state, hold.resolution) == ("released", "known buyer")
    assert Change.objects.filter(kind="snooze.started").count() == 1


def test_without_the_tick_the_hold_stays(world: None) -> None:
    hold = held_order()
    _user, client = person("supervisor")

    client.post(at(hold), {"days": 90, "reason": "known buyer"})

    hold.refresh_from_db()
    assert (hold.state, RuleSnooze.objects.count()) == ("open", 1)


def test_operations_snooze_but_do_not_release(world: None) -> None:
    hold = held_order()
    _user, client = person("operations")

    client.post(at(hold), {"days": 7, "reason": "r", "release": "on"})

    hold.refresh_from_db()
    assert (hold.state, RuleSnooze.objects.count()) == ("open", 1)


def test_when_the_release_is_refused_nothing_sleeps(world: None) -> None:
    user, client = person("supervisor")
    publish_rules(hold_rule("mine", "order.grand_total", "gte", 1), actor=f"user:{user.username}")
    hold = placed().holds.get()

    response = client.post(at(hold), {"days": 7, "reason": "r", "release": "on"})

    hold.refresh_from_db()
    assert response.status_code == 422
    assert (hold.state, RuleSnooze.objects.count()) == ("open", 0)


@pytest.mark.parametrize("data", [{}, {"days": 7}, {"days": 8, "reason": "r"}, {"reason": "r"}])
def test_a_form_with_a_part_missing_is_shown_again(world: None, data: dict[str, object]) -> None:
    hold = held_order()
    _user, client = person("supervisor")

    assert client.post(at(hold), data).status_code in (200, 422)
    assert not RuleSnooze.objects.exists()


def test_what_no_rule_held_cannot_be_snoozed(world: None) -> None:
    hold = placed(lines=[("TEA-1", 100_000, "1.00")]).holds.filter(owner="stock").get()
    _user, client = person("supervisor")

    assert client.get(at(hold)).status_code == 302
    assert not RuleSnooze.objects.exists()
