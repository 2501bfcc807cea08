"""Holds: claimed, released, upheld, opened by hand, escalated; each once, by one person."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from changefeed.models import Change
from orders.actors import user_actor
from orders.errors import AlreadyDone, NotAllowed, NotFound, ReasonMissing, WrongState
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import (
    claim_hold,
    escalate_overdue,
    hold_order,
    release_hold,
    release_holds,
    unclaim_hold,
    uphold_hold,
)
from orders.lifecycle.screening import rescreen_order
from orders.models import Effect, Hold, Shipment, Waiver
from tests.factories import make_sku, make_user
from tests.orders.acting import (
    COUPON,
    CRM,
    SHOP,
    TOO_MANY,
    acts,
    again,
    assert_ledger_agrees,
    feed,
    held,
    hold_rule,
    ledger,
    nothing_changes,
    now_seq,
    parcels,
    placed,
    publish_rules,
    state,
    stock,
    supervisor,
    the_change,
)

pytestmark = pytest.mark.usefixtures("world")


# --- claim ---


def test_a_claim_keeps_others_out_until_it_ends() -> None:
    _order, hold = held()
    first, second = make_user("supervisor"), make_user("supervisor")
    before = timezone.now()

    claimed = claim_hold(hold.pk, user=first)

    assert claimed.claimed_by == first
    until = claimed.claimed_until
    assert until is not None
    assert before + timedelta(seconds=59) < until < before + timedelta(seconds=62)
    with nothing_changes(), pytest.raises(AlreadyDone, match=first.username):
        claim_hold(hold.pk, user=second)


def test_repeating_a_claim_renews_it() -> None:
    _order, hold = held()
    user = make_user("supervisor")
    first = claim_hold(hold.pk, user=user).claimed_until
    second = claim_hold(hold.pk, user=user).claimed_until

    assert first is not None
    assert second is not None
    assert second > first


def test_a_claim_that_ran_out_is_anybodys() -> None:
    _order, hold = held()
    first, second = make_user("supervisor"), make_user("supervisor")
    claim_hold(hold.pk, user=first)
    Hold.objects.filter(pk=hold.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))

    assert claim_hold(hold.pk, user=second).claimed_by == second


def test_giving_a_claim_back_frees_the_hold_but_only_ones_own() -> None:
    _order, hold = held()
    first, second = make_user("supervisor"), make_user("supervisor")
    claim_hold(hold.pk, user=first)

    with nothing_changes():
        unclaim_hold(hold.pk, user=second)
    unclaim_hold(hold.pk, user=first)

    assert Hold.objects.get(pk=hold.pk).claimed_by is None
    assert claim_hold(hold.pk, user=second).claimed_by == second


def test_a_resolved_hold_cannot_be_claimed() -> None:
    _order, hold = held()
    actor = supervisor()
    release_hold(hold.pk, actor=actor, reason="called the customer")

    with nothing_changes(), pytest.raises(AlreadyDone, match=actor.name.removeprefix("user:")):
        claim_hold(hold.pk, user=make_user("supervisor"))


def test_a_hold_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound):
        claim_hold(0, user=make_user("supervisor"))
    with pytest.raises(NotFound):
        release_hold(0, actor=supervisor(), reason="why not")


# --- release ---


def test_release_waives_routes_and_dispatches_in_one_act() -> None:
    order, hold = held("X-1")
    actor, before = supervisor(), now_seq()
    assert state(order) == "on_hold"
    assert order.warehouse is None

    release_hold(hold.pk, actor=actor, reason=" called the customer ")

    sent = again(order)
    assert sent.state == "dispatched"
    assert sent.warehouse.code == "EAST-1"
    assert (sent.lane, sent.courier.code, sent.packaging.code) == ("standard", "ZTO", "carton")
    assert parcels(order) == [("X-1-1", "released")]
    waiver = Waiver.objects.get()
    assert (waiver.order, waiver.rule_key, waiver.hold) == (order, "xinjiang-coupon", hold)
    assert waiver.fingerprint == hold.fingerprint
    hold.refresh_from_db()
    assert (hold.state, hold.resolved_by, hold.resolution) == (
        "released",
        actor.name,
        "called the customer",
    )
    assert feed(order, before) == [
        "hold.released",
        "order.routing_changed",
        "order.cleared",
        "shipment.released",
        "order.dispatched",
    ]
    assert set(Change.objects.filter(seq__gt=before).values_list("actor", flat=True)) == {
        actor.name
    }
    assert acts(order) == [("hold_released", actor.name), ("dispatched", actor.name)]
    assert [*Effect.objects.values_list("key", flat=True)] == ["dispatch"]
    assert ledger(order) == [("reserve", "TEA-1", "EAST-1", 0, 1)]
    assert stock("TEA-1") == (1000, 1)


def test_a_second_release_is_told_who_was_first_and_changes_nothing() -> None:
    _order, hold = held()
    actor = supervisor()
    release_hold(hold.pk, actor=actor, reason="fine")
    done_at = timezone.localtime(Hold.objects.get(pk=hold.pk).resolved_at).strftime("%H:%M:%S")

    with nothing_changes(), pytest.raises(AlreadyDone) as told:
        release_hold(hold.pk, actor=supervisor(), reason="fine")

    assert actor.name.removeprefix("user:") in told.value.message
    assert done_at in told.value.message
    dispatch_ready()
    assert Shipment.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_release_and_uphold_demand_a_reason(reason: str) -> None:
    _order, hold = held()

    with nothing_changes(), pytest.raises(ReasonMissing):
        release_hold(hold.pk, actor=SHOP, reason=reason)
    with nothing_changes(), pytest.raises(ReasonMissing):
        uphold_hold(hold.pk, actor=SHOP, reason=reason, follow_up="cancel")


def test_a_rescreen_respects_the_waiver_until_the_inputs_change() -> None:
    publish_rules(hold_rule("grade-d", "customer.crm_grade", "eq", "D"))
    order = placed(customer={"crm_grade": "D"}, paid_at=None)
    release_hold(order.holds.get().pk, actor=supervisor(), reason="known buyer")
    assert state(order) == "received"  # not paid yet

    rescreen_order(order.pk, actor=SHOP)
    assert order.holds.filter(state="open").count() == 0

    publish_rules(hold_rule("grade-d", "customer.crm_grade", "in", ["C", "D"]))
    order.customer.crm_grade = "C"
    order.customer.save()
    rescreen_order(order.pk, actor=SHOP)

    assert state(order) == "on_hold"
    assert order.holds.get(state="open").inputs[0]["seen"] == "C"


def test_a_second_rule_that_matches_as_well_holds_the_order_again() -> None:
    order, hold = held(coupons=[COUPON, *TOO_MANY[1:]])
    assert hold.rule_key == "xinjiang-coupon"
    before = now_seq()

    release_hold(hold.pk, actor=supervisor(), reason="address is fine")

    assert state(order) == "on_hold"
    second = order.holds.get(state="open")
    assert second.rule_key == "too-many-coupons"
    assert parcels(order) == []
    assert feed(order, before) == ["hold.released", "hold.opened"]

    release_hold(second.pk, actor=supervisor(), reason="coupons are fine")

    assert state(order) == "dispatched"
    assert len(parcels(order)) == 1


def test_what_the_rule_sees_now_replaces_what_it_saw_so_one_release_is_enough() -> None:
    order, hold = held()
    change_order(
        order.number,
        version=None,
        fields={"ship_to": {"city": "吐鲁番市", "district": "高昌区"}},
        actor=CRM,
    )
    publish_rules(hold_rule("xinjiang-coupon", "ship_to.city", "in", ["吐鲁番市", "乌鲁木齐市"]))
    rescreen_order(order.pk, actor=SHOP)
    assert order.holds.get().pk == hold.pk
    assert order.holds.get().inputs[0]["seen"] == "吐鲁番市"

    release_hold(hold.pk, actor=supervisor(), reason="fine")

    assert state(order) == "dispatched"


def test_release_waits_for_the_other_holds() -> None:
    order, hold = held()
    manual = hold_order(order.pk, actor=supervisor(), reason="customer will call back")

    release_hold(hold.pk, actor=supervisor(), reason="fine")
    assert state(order) == "on_hold"
    assert parcels(order) == []

    release_hold(manual.pk, actor=supervisor(), reason="called")
    assert state(order) == "dispatched"


def test_the_author_of_a_rule_does_not_release_what_it_held_alone(settings: Settings) -> None:
    author = make_user("supervisor")
    rule = hold_rule("grade-d", "customer.crm_grade", "eq", "D")
    publish_rules(rule, actor=f"user:{author.username}")
    order = placed(customer={"crm_grade": "D"})
    hold = order.holds.get()

    with nothing_changes(), pytest.raises(NotAllowed):
        release_hold(hold.pk, actor=user_actor(author), reason="mine")

    settings.AUTHOR_MAY_RELEASE = True
    release_hold(hold.pk, actor=user_actor(author), reason="mine")
    assert state(order) == "dispatched"


def test_the_author_may_release_what_another_cause_holds() -> None:
    author = make_user("supervisor")
    publish_rules(actor=f"user:{author.username}")
    order = placed(paid_at=None)
    hold = hold_order(order.pk, actor=supervisor(), reason="wait")

    release_hold(hold.pk, actor=user_actor(author), reason="go")

    assert state(order) == "received"


def test_releasing_a_shortage_by_hand_never_oversells() -> None:
    make_sku("RARE", units=0)
    order = placed(lines=[("RARE", 1, "10.00")])

    release_hold(order.holds.get().pk, actor=supervisor(), reason="send it anyway")

    assert state(order) == "on_hold"
    assert [*order.holds.order_by("id").values_list("owner", "state")] == [
        ("stock", "released"),
        ("stock", "open"),
    ]
    assert stock("RARE") == (0, 0)


def test_bulk_release_reports_each_order_and_one_failure_harms_no_other() -> None:
    first, hold_1 = held()
    second, hold_2 = held()
    third, hold_3 = held()
    release_hold(hold_2.pk, actor=supervisor(), reason="was first")
    actor = supervisor()

    results = release_holds([hold_1.pk, hold_2.pk, hold_3.pk, 0], actor=actor, reason="batch")

    assert [(one.hold_id, one.order_number, one.ok) for one in results] == [
        (hold_1.pk, first.number, True),
        (hold_2.pk, second.number, False),
        (hold_3.pk, third.number, True),
        (0, "", False),
    ]
    assert "supervisor" in results[1].message
    for order in (first, third):
        assert state(order) == "dispatched"
        assert ("hold_released", actor.name) in acts(order)


# --- uphold ---


def test_upholding_with_cancel_gives_stock_back_and_asks_for_the_refund_once() -> None:
    order, hold = held(lines=[("TEA-1", 3, "99.00")])
    actor, before = supervisor(), now_seq()
    assert stock("TEA-1") == (1000, 3)

    uphold_hold(hold.pk, actor=actor, reason="false address", follow_up="cancel")

    assert state(order) == "cancelled"
    assert stock("TEA-1") == (1000, 0)
    assert ledger(order) == [
        ("reserve", "TEA-1", "EAST-1", 0, 3),
        ("release", "TEA-1", "EAST-1", 0, -3),
    ]
    assert feed(order, before) == ["hold.upheld", "order.cancelled", "order.refund_requested"]
    refund = the_change(kind="order.refund_requested")
    assert refund.new == {"amount": "287.00", "currency": "CNY", "reason": "false address"}
    assert acts(order) == [("hold_upheld", actor.name), ("cancelled", actor.name)]
    with nothing_changes(), pytest.raises(AlreadyDone):
        uphold_hold(hold.pk, actor=supervisor(), reason="again", follow_up="cancel")
    assert_ledger_agrees()


def test_upholding_for_a_correction_waits_for_it_and_then_lets_the_order_go() -> None:
    order, hold = held()
    before = now_seq()
    uphold_hold(hold.pk, actor=supervisor(), reason="ask for address", follow_up="correction")
    assert state(order) == "on_hold"
    rescreen_order(order.pk, actor=SHOP)
    assert state(order) == "on_hold"

    change_order(
        order.number,
        version=None,
        fields={"ship_to": {"province": "浙江省", "city": "杭州市", "district": "余杭区"}},
        actor=CRM,
    )

    assert state(order) == "dispatched"
    assert Hold.objects.get(pk=hold.pk).corrected_at is not None
    assert feed(order, before)[:2] == ["hold.upheld", "order.address_changed"]
    assert feed(order, before)[-2:] == ["shipment.released", "order.dispatched"]


def test_a_correction_that_corrects_nothing_is_held_again() -> None:
    order, hold = held()
    uphold_hold(hold.pk, actor=supervisor(), reason="ask for address", follow_up="correction")

    change_order(
        order.number, version=None, fields={"ship_to": {"street": "解放北路 2 号"}}, actor=CRM
    )

    assert state(order) == "on_hold"
    assert [*order.holds.order_by("id").values_list("state", flat=True)] == ["upheld", "open"]
    assert parcels(order) == []


def test_an_agents_note_is_no_correction() -> None:
    order = placed(paid_at=None)
    hold = hold_order(order.pk, actor=supervisor(), reason="odd name")
    uphold_hold(hold.pk, actor=supervisor(), reason="ask for name", follow_up="correction")

    change_order(order.number, version=None, fields={"seller_remark": "called"}, actor=CRM)

    assert state(order) == "on_hold"
    assert Hold.objects.get(pk=hold.pk).corrected_at is None


# --- manual hold, escalation ---


def test_a_person_holds_an_order_before_dispatch() -> None:
    order = placed()
    assert state(order) == "ready"
    actor, before = supervisor(), now_seq()

    hold = hold_order(order.pk, actor=actor, reason="customer called")

    assert (hold.owner, hold.reason, hold.state) == ("manual", "customer called", "open")
    assert state(order) == "on_hold"
    assert feed(order, before) == ["hold.opened", "order.held"]
    assert acts(order) == [("held", actor.name)]
    assert dispatch_ready() == 0
    assert hold_order(order.pk, actor=actor, reason="called again").pk == hold.pk


def test_a_dispatched_order_cannot_be_held_by_hand() -> None:
    order = placed()
    dispatch_ready()

    with nothing_changes(), pytest.raises(WrongState):
        hold_order(order.pk, actor=supervisor(), reason="too late")


def test_overdue_holds_escalate_once_and_never_ship() -> None:
    order, hold = held()
    other, _fresh = held()
    Hold.objects.filter(pk=hold.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    before = now_seq()

    assert escalate_overdue() == 1
    assert escalate_overdue() == 0

    assert Hold.objects.get(pk=hold.pk).escalated_at is not None
    assert acts(order) == [("escalated", "system")]
    assert feed(order, before) == ["hold.escalated"]
    assert acts(other) == []
    assert dispatch_ready() == 0
    assert state(order) == "on_hold"


def test_a_hold_is_due_two_hours_after_it_was_opened() -> None:
    _order, hold = held()

    assert hold.due_at - hold.opened_at == timedelta(hours=2)


def test_the_hold_keeps_the_values_that_matched() -> None:
    _order, hold = held()

    assert hold.inputs == [
        {
            "fact": "ship_to.province",
            "op": "in",
            "wanted": ["新疆维吾尔自治区"],
            "seen": "新疆维吾尔自治区",
        },
        {
            "fact": "coupon.types",
            "op": "has_any",
            "wanted": ["满299减100"],
            "seen": ["满299减100"],
        },
    ]
    assert (hold.risk, hold.reason) == ("high", "三个月内 47 起虚假发货投诉")


def test_what_a_key_released_names_the_key() -> None:
    _order, hold = held()

    released = release_hold(hold.pk, actor=SHOP, reason="checked in the shop")

    assert released.resolved_by == "key:shop"
    assert acts(released.order) == [("hold_released", "key:shop"), ("dispatched", "key:shop")]
