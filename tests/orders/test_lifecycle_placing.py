"""Taking orders in: stored, reserved, screened and recorded at once, or refused without a trace."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from changefeed.models import Change
from orders import screening
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.holds import hold_order
from orders.lifecycle.placing import Outcome, Placed, place_order, place_orders
from orders.lifecycle.screening import rescreen_order
from orders.models import Customer, Order, ScreeningDecision, Sku
from orders.timeline import timeline_of
from rules import live
from rules.lifecycle import NewEntry, add_list_entries
from rules.models import ReferenceList
from tests.factories import make_sku, make_world, order_document, settle
from tests.orders.acting import (
    COUPON,
    CRM,
    SHOP,
    XINJIANG,
    again,
    assert_ledger_agrees,
    assign_rule,
    feed,
    hold_rule,
    ledger,
    nothing_changes,
    now_seq,
    placed,
    publish_rules,
    state,
    stock,
    the_change,
)
from tests.orders.bad_orders import BAD

pytestmark = pytest.mark.django_db


def hours_ago(hours: float) -> str:
    return (timezone.now() - timedelta(hours=hours)).isoformat()


def errors_of(answer: Placed) -> list[tuple[str, str]]:
    assert answer.outcome is Outcome.INVALID
    assert all(error.message for error in answer.errors)
    return [(error.field, error.code) for error in answer.errors]


def facts_of(order: Order) -> dict[str, Any]:
    return ScreeningDecision.objects.filter(order=order).earliest("id").facts


# --- a good order ---


def test_an_order_is_stored_reserved_screened_and_told(world: None) -> None:
    settle("douyin", "TEA-1", "100.00")
    document = order_document("N-1", lines=[("TEA-1", 2, "99.00")], invoice_title="杭州某公司")
    answer = place_order(document, actor=SHOP, key="k-1")

    assert (answer.outcome, answer.number, answer.state, answer.version) == (
        Outcome.CREATED,
        "N-1",
        "ready",
        1,
    )
    assert (answer.holds, answer.errors) == ([], [])
    assert answer.decision is not None
    assert answer.decision["dispatch"] is True
    order = Order.objects.get()
    assert (order.source, order.idempotency_key) == ("shop", "k-1")
    assert (order.grand_total, order.currency) == (Decimal("198.00"), "CNY")
    assert (order.province, order.city, order.district) == ("浙江省", "杭州市", "余杭区")
    assert order.lines.get().settlement_price == Decimal("100.00")
    assert stock("TEA-1") == (1000, 2)
    assert ledger(order) == [("reserve", "TEA-1", "EAST-1", 0, 2)]
    assert feed(order) == ["order.received"]
    change = the_change(subject_kind="order")
    assert (change.actor, change.source, change.subject_version) == ("key:shop", "shop", 1)
    assert change.new["lines"] == [
        {"sku": "TEA-1", "quantity": 2, "unit_price": "99.00", "is_gift": False}
    ]
    assert change.new["invoice_title"] == "杭州某公司"
    decision = order.decisions.get()
    assert (decision.cause, decision.ruleset_version, decision.outcome) == (
        "intake",
        1,
        answer.decision,
    )
    assert [item.act for item in timeline_of(order)] == ["received", "screened"]
    assert_ledger_agrees()


def test_abbreviated_places_are_stored_by_their_official_names(world: None) -> None:
    order = placed(ship_to={"province": "浙江", "city": "杭州", "district": "余杭区"})
    assert (order.province, order.city) == ("浙江省", "杭州市")


def test_an_unpaid_order_waits_and_goes_on_when_paid(world: None) -> None:
    order = placed(paid_at=None)
    assert state(order) == "received"
    before = now_seq()

    change_order(order.number, version=1, fields={"paid_at": hours_ago(0.1)}, actor=CRM)

    assert state(order) == "dispatched"
    assert feed(order, before)[0] == "order.cleared"


def test_an_order_that_turns_out_unpaid_is_not_dispatched(world: None) -> None:
    order = placed()
    assert state(order) == "ready"
    change_order(order.number, version=None, fields={"paid_at": None}, actor=CRM)
    assert state(order) == "received"


# --- bad input: nothing stored ---


def test_bad_orders_are_refused_by_field_and_harm_no_other(world: None) -> None:
    bad = [order_document(**{"number": f"B-{n}"} | changes) for n, (changes, _e) in enumerate(BAD)]
    with nothing_changes():
        alone = [place_order(one, actor=SHOP) for one in bad]

    together = place_orders([order_document("G-1"), *bad, order_document("G-2")], actor=SHOP)

    assert [one.outcome.value for one in together] == [
        "created",
        *["invalid"] * len(bad),
        "created",
    ]
    for answer, same, (_changes, error) in zip(alone, together[1:-1], BAD, strict=True):
        assert error in errors_of(answer)
        assert errors_of(same) == errors_of(answer)
    assert [*Order.objects.order_by("id").values_list("number", flat=True)] == ["G-1", "G-2"]


def test_an_inactive_sku_is_refused(world: None) -> None:
    Sku.objects.filter(code="TEA-1").update(is_active=False)
    with nothing_changes():
        answer = place_order(order_document(), actor=SHOP)
    assert errors_of(answer) == [("lines[0].sku", "inactive_sku")]


def test_what_is_no_order_at_all_is_refused(world: None) -> None:
    raws: list[Any] = [None, 1, "order", [], {}, {"number": 5}, {"number": "\ud800\x00"}, [[]]]
    with nothing_changes():
        answers = place_orders(raws, actor=SHOP)
    assert all(errors_of(answer) for answer in answers)
    assert {answer.number for answer in answers} == {""}


def test_every_error_of_an_order_is_named_at_once(world: None) -> None:
    document = order_document(
        "B-1", channel="nowhere", currency="USD", lines=[("NONE", 1, "99.00")]
    )
    assert errors_of(place_order(document, actor=SHOP)) == [
        ("currency", "currency_mismatch"),
        ("channel", "unknown_channel"),
        ("lines[0].sku", "unknown_sku"),
    ]


# --- phones ---


def test_a_masked_phone_is_kept_as_masked_and_matched_by_the_platforms_hash(world: None) -> None:
    entry = NewEntry("hash-of-a-bad-buyer", "returns everything")
    add_list_entries(ReferenceList.objects.get(key="blocklist"), [entry], "system")
    live.forget()
    masked = {"phone": "138****0000", "phone_hash": "hash-of-a-bad-buyer"}
    order = placed("M-1", ship_to=masked, customer={"phone": "138****0000"})

    assert (order.ship_phone, order.ship_phone_masked, order.ship_phone_hash) == (
        "",
        "138****0000",
        "hash-of-a-bad-buyer",
    )
    assert order.customer.phone == ""
    assert order.holds.get().rule_key == "blocklist-phone"
    innocent = placed("M-2", ship_to={"phone": "138****0000", "phone_hash": "another"})
    assert state(innocent) == "ready"


@pytest.mark.parametrize(
    "disguise",
    ["１３８ ０００ ０００００", "138\u200b00000000", "+86 138-0000-0000", "8613800000000"],
)
def test_a_blocked_phone_is_found_in_any_disguise(world: None, disguise: str) -> None:
    entry = NewEntry("+8613800000000", "returns everything")
    add_list_entries(ReferenceList.objects.get(key="blocklist"), [entry], "system")
    live.forget()
    order = placed(ship_to={"phone": disguise})
    assert order.holds.get().rule_key == "blocklist-phone"


# --- replay and conflict ---


def test_the_same_order_again_is_a_replay_with_its_state_now(world: None) -> None:
    document = order_document("N-1", paid_at=None)
    place_order(document, actor=SHOP, key="k-1")
    change_order("N-1", version=None, fields={"paid_at": hours_ago(0.1)}, actor=CRM)

    with nothing_changes():
        answer = place_order(dict(reversed(document.items())), actor=SHOP, key="k-1")

    assert (answer.outcome, answer.state, answer.version) == (Outcome.REPLAYED, "dispatched", 4)
    assert answer.decision is not None
    assert answer.decision["dispatch"] is False


def test_the_same_number_with_another_body_is_a_conflict(world: None) -> None:
    document = order_document("N-1")
    place_order(document, actor=SHOP)
    with nothing_changes():
        answer = place_order(document | {"buyer_remark": "hurry"}, actor=SHOP)
    assert answer.outcome is Outcome.CONFLICT


def test_the_same_key_with_another_order_is_a_conflict(world: None) -> None:
    first, second = order_document("N-1"), order_document("N-2")
    place_order(first, actor=SHOP, key="k-1")
    with nothing_changes():
        assert place_order(second, actor=SHOP, key="k-1").outcome is Outcome.CONFLICT
    assert place_order(second, actor=CRM, key="k-1").outcome is Outcome.CREATED  # its own keys
    with nothing_changes():
        assert place_order(second, actor=SHOP, key="k-1").outcome is Outcome.CONFLICT


def test_known_orders_of_a_batch_are_read_together(world: None) -> None:
    """With their first decision and all their holds, in as many statements as one."""
    documents = [order_document(f"N-{number}") for number in range(12)]
    first = place_orders(documents, actor=SHOP)
    held = Order.objects.get(number="N-3")
    hold = hold_order(held.pk, actor=CRM, reason="wait")

    with nothing_changes(), CaptureQueriesContext(connection) as one:
        place_orders(documents[:1], actor=SHOP)
    with nothing_changes(), CaptureQueriesContext(connection) as every:
        repeated = place_orders(documents, actor=SHOP)

    assert len(every) == len(one)
    assert [answer.outcome for answer in repeated] == [Outcome.REPLAYED] * 12
    assert [answer.number for answer in repeated] == [answer.number for answer in first]
    assert [answer.decision for answer in repeated] == [answer.decision for answer in first]
    assert [answer.state for answer in repeated] == ["ready"] * 3 + ["on_hold"] + ["ready"] * 8
    assert [len(answer.holds) for answer in repeated] == [0] * 3 + [1] + [0] * 8
    assert repeated[3].holds[0] == {
        "id": hold.pk,
        "owner": "manual",
        "rule": "",
        "reason": "wait",
        "risk": hold.risk,
        "state": "open",
        "due_at": hold.due_at,
    }


def test_repeats_within_a_batch_are_answered_like_repeats_later(world: None) -> None:
    stored = order_document("N-0")
    place_order(stored, actor=SHOP)
    good, bad = order_document("N-1"), order_document("N-2", currency="USD")
    changed = stored | {"buyer_remark": "x"}
    batch = [good, good, good | {"buyer_remark": "x"}, bad, bad, changed, changed, stored]

    answers = place_orders([*batch, order_document("N-2")], actor=SHOP)

    assert [one.outcome.value for one in answers] == [
        "created",
        "replayed",
        "conflict",
        "invalid",
        "invalid",
        "conflict",
        "conflict",
        "replayed",
        "created",
    ]
    assert Order.objects.count() == 3
    assert stock("TEA-1") == (1000, 3)


def test_one_key_for_two_orders_of_a_batch_takes_the_first(world: None) -> None:
    answers = place_orders(
        [order_document("N-1"), order_document("N-2")], actor=SHOP, keys=["same", "same"]
    )
    assert [one.outcome.value for one in answers] == ["created", "conflict"]


def test_an_order_that_breaks_the_database_harms_no_other(world: None) -> None:
    publish_rules(assign_rule("lane", "x" * 64, slot="lane"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_order ADD CHECK (street <> 'broken')")
    bad = order_document("B-1", ship_to={"street": "broken"})

    answers = place_orders([order_document("G-1"), bad, order_document("G-2")], actor=SHOP)

    assert [one.outcome.value for one in answers] == ["created", "invalid", "created"]
    assert errors_of(answers[1]) == [("", "not_storable")]
    assert Order.objects.get(number="G-1").lane == "x" * 64
    assert stock("TEA-1") == (1000, 2)


# --- history ---


def test_history_counts_what_came_before_even_within_the_batch(world: None) -> None:
    who: dict[str, Any] = {"customer": {"external_id": "C-1"}, "ship_to": {"street": "同街 1 号"}}
    placed("H-0", placed_at=hours_ago(30), paid_at=None, **who)
    batch = [
        order_document(f"H-{number}", placed_at=hours_ago(5 - number), paid_at=None, **who)
        for number in (1, 2, 3)
    ]
    place_orders(batch, actor=SHOP)

    rows = [facts_of(order) for order in Order.objects.order_by("number")]
    assert [int(row["customer.orders_24h"]) for row in rows] == [0, 0, 1, 2]
    assert [int(row["ship_to.orders_24h"]) for row in rows] == [0, 0, 1, 2]
    assert [Decimal(row["customer.lifetime_spend"]) for row in rows] == [
        Decimal(amount) for amount in ("0", "99.00", "198.00", "297.00")
    ]


def test_cancelled_orders_are_no_spending(world: None) -> None:
    placed("H-0", customer={"external_id": "C-1"})
    cancel_order("H-0", actor=SHOP, reason="no")
    later = placed("H-1", customer={"external_id": "C-1"})
    assert Decimal(facts_of(later)["customer.lifetime_spend"]) == 0


# --- customers ---


def test_blanks_of_a_customer_are_filled_and_contact_data_never_overwritten(world: None) -> None:
    blank = {"external_id": "C-1", "name": "", "phone": "", "crm_grade": ""}
    placed(customer=blank | {"registered_at": None})
    customer = Customer.objects.get()
    assert (customer.name, customer.phone, customer.registered_at) == ("", "", None)

    placed(customer={"external_id": "C-1", "name": "林*", "phone": "138****0000"})
    customer.refresh_from_db()
    assert (customer.name, customer.phone, customer.crm_grade) == ("", "", "B")

    registered = hours_ago(100)
    new = {"external_id": "C-1", "name": "林婷", "registered_at": registered, "crm_grade": "A"}
    placed(customer=new)
    placed(customer=new | {"name": "王五", "phone": "+8613911112222", "crm_grade": "D"})
    customer.refresh_from_db()
    assert (customer.name, customer.phone, customer.crm_grade) == ("林婷", "+8613800000000", "D")
    assert Change.objects.filter(subject_kind="customer").count() == 1


def test_two_orders_of_one_new_customer_in_a_batch_add_up_what_they_say(world: None) -> None:
    full = order_document(customer={"external_id": "C-1"})
    bare = order_document(customer={"external_id": "C-1", "name": "", "phone": "", "crm_grade": ""})
    place_orders([full, bare], actor=SHOP)
    customer = Customer.objects.get()
    assert (customer.name, customer.phone, customer.crm_grade) == ("林婷", "+8613800000000", "B")


# --- shortage, and screening that cannot finish ---


def test_a_shortage_holds_and_reserves_nothing(world: None) -> None:
    make_sku("RARE", units=1, warehouses=("EAST-1",))
    order = placed(lines=[("RARE", 2, "10.00"), ("TEA-1", 1, "99.00")])

    hold = order.holds.get()
    assert (hold.owner, hold.reason) == ("stock", "stock_short")
    assert (state(order), ledger(order)) == ("on_hold", [])
    assert (stock("RARE"), stock("TEA-1")) == ((1, 0), (1000, 0))
    assert facts_of(order)["stock.shortage"] is True
    assert feed(order) == ["order.received", "hold.opened"]


def test_without_live_rules_every_order_is_held() -> None:
    make_world()
    order = placed()
    hold = order.holds.get()
    assert (hold.owner, hold.reason, hold.ruleset_version) == ("screening", "no_rules", None)
    assert state(order) == "on_hold"

    publish_rules()
    rescreen_order(order.pk, actor=SHOP)
    assert order.holds.get().state == "released"
    assert state(order) == "ready"


def test_a_rule_that_names_an_unknown_warehouse_holds() -> None:
    make_world()
    publish_rules(assign_rule("moon", "MOON-1"))
    hold = placed().holds.get()
    assert (hold.owner, hold.reason, hold.inputs) == (
        "screening",
        "unknown_assignment",
        [{"detail": "MOON-1"}],
    )


def test_screening_that_fails_holds(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("slow database")

    monkeypatch.setattr(screening.live, "current", fail)
    order = placed(ship_to=XINJIANG)
    hold = order.holds.get()
    assert (hold.owner, hold.reason, hold.state) == ("screening", "screening_failed", "open")
    assert state(order) == "on_hold"
    assert stock("TEA-1") == (1000, 1)


def test_the_limit_of_stock_is_shared_out_within_a_batch(world: None) -> None:
    make_sku("RARE", units=3, warehouses=("EAST-1",))
    batch = [order_document(lines=[("RARE", 2, "10.00")]) for _number in range(2)]
    batch.append(order_document(lines=[("RARE", 1, "10.00")]))
    answers = place_orders(batch, actor=SHOP)
    assert [one.state for one in answers] == ["ready", "on_hold", "ready"]
    assert stock("RARE") == (3, 3)


# --- the known cases ---


def test_every_known_anomaly_is_held_by_its_rule(world: None) -> None:
    settle("douyin", "LENS-85", "2999.00")
    many = [{"code": f"C-{i}", "type": "店铺券", "discount": "1.00"} for i in range(4)]
    inner = [{"code": "IN", "type": "内购", "discount": "1.00"}]
    hong_kong = {"province": "香港特别行政区", "city": "", "district": "中西区"}
    make_sku("CELL-1", category="lithium_battery")
    cases: dict[str, dict[str, Any]] = {
        "xinjiang-coupon": {"ship_to": XINJIANG, "coupons": [COUPON]},
        "too-many-coupons": {"coupons": many},
        "employee-purchase": {"coupons": inner},
        "embargo-region": {"ship_to": hong_kong},
        "embargo-air-goods": {"ship_to": XINJIANG, "lines": [("CELL-1", 1, "9.00")]},
        "price-gap": {"lines": [("LENS-85", 1, "2991.00")]},
    }
    for key, changes in cases.items():
        order = placed(**changes)
        assert [*order.holds.values_list("rule_key", flat=True)] == [key]
    assert state(placed(lines=[("LENS-85", 1, "2991.01")])) == "ready"


def test_the_budget_of_queries_does_not_grow_with_the_batch(
    world: None, django_assert_max_num_queries: Any
) -> None:
    publish_rules(hold_rule("none", "order.grand_total", "gt", 100_000))
    place_order(order_document(), actor=SHOP)  # the rules are read once
    with django_assert_max_num_queries(12):
        place_orders([order_document() for _number in range(50)], actor=SHOP)
    assert Order.objects.count() == 51
    assert again(Order.objects.first() or Order()).state == "ready"


def test_hold_due_time_follows_the_setting(world: None, settings: Settings) -> None:
    settings.HOLD_DUE_MINUTES = 30
    hold = placed(ship_to=XINJIANG, coupons=[COUPON]).holds.get()
    assert hold.due_at - hold.opened_at == timedelta(minutes=30)
