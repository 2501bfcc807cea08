"""What counts as a verdict on a rule: a person's answer to its hold, and nothing else."""

import pytest

from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.holds import hold_order, release_hold, uphold_hold
from orders.lifecycle.splitting import merge_orders
from orders.models import Hold
from tests.orders.acting import SHOP, again, held, placed, state, supervisor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]


def verdicts() -> list[tuple[str, str, str]]:
    return list(
        Hold.objects.judged().order_by("id").values_list("rule_key", "state", "order__number")
    )


@pytest.mark.parametrize("follow_up", ["cancel", "correction"])
def test_upholding_is_a_verdict_whatever_follows(follow_up: str) -> None:
    _order, hold = held("A")

    uphold_hold(hold.pk, actor=supervisor(), reason="fraud", follow_up=follow_up)

    assert verdicts() == [(hold.rule_key, "upheld", "A")]


def test_releasing_is_a_verdict() -> None:
    _order, hold = held("A")

    release_hold(hold.pk, actor=supervisor(), reason="known customer")

    assert verdicts() == [(hold.rule_key, "released", "A")]


def test_a_cancelled_order_says_nothing_about_the_rule_that_held_it() -> None:
    order, hold = held("A")

    cancel_order("A", actor=SHOP, reason="the customer changed her mind")

    hold.refresh_from_db()
    assert (state(order), hold.state, hold.follow_up) == ("cancelled", "upheld", "")
    assert verdicts() == []


def test_an_upheld_hold_ends_the_others_without_a_verdict_on_them() -> None:
    order, hold = held("A")
    manual = hold_order(order.pk, actor=supervisor(), reason="looks odd")

    uphold_hold(hold.pk, actor=supervisor(), reason="fraud", follow_up="cancel")

    manual.refresh_from_db()
    assert (manual.state, manual.follow_up) == ("upheld", "")
    assert verdicts() == [(hold.rule_key, "upheld", "A")]


def test_a_hold_by_hand_is_nobodys_verdict_on_a_rule() -> None:
    order = placed("A", paid_at=None)
    manual = hold_order(order.pk, actor=supervisor(), reason="looks odd")

    release_hold(manual.pk, actor=supervisor(), reason="fine")

    assert again(order).holds.get(pk=manual.pk).state == "released"
    assert verdicts() == []


def test_a_merged_order_asks_once_and_is_judged_once() -> None:
    main, first = held("M")
    _other, second = held("N", customer={"external_id": main.customer.external_id})

    merge_orders("M", ["N"], actor=supervisor())

    second.refresh_from_db()
    assert (second.state, second.resolution, second.resolved_by) == ("released", "M", "system")
    assert verdicts() == []
    release_hold(first.pk, actor=supervisor(), reason="fine")
    assert verdicts() == [(first.rule_key, "released", "M")]
