"""Stop requests where messages cross, come late, twice, early or for another parcel."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from changefeed.clock import database_now
from changefeed.models import Inbox
from orders import stop_watch
from orders.errors import WrongState
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_ready, release_due_batches
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.lifecycle.splitting import split_order
from orders.models import Order, Shipment, StopRequest
from tests.orders.acting import (
    CRM,
    SHOP,
    WMS,
    acts,
    again,
    assert_ledger_agrees,
    nothing_changes,
    parcels,
    placed,
    state,
    supervisor,
)
from tests.orders.calling import Caller, fields_of, refused

pytestmark = pytest.mark.usefixtures("world")

HOME = {"ship_to": {"city": "杭州市", "district": "余杭区", "street": "文一西路 1 号"}}
MOVED = {"ship_to": {"city": "宁波市", "district": "鄞州区", "street": "中山东路 88 号"}}
OTHER = {"ship_to": {"city": "绍兴市", "district": "越城区", "street": "解放路 9 号"}}


def dispatched(number: str = "R-1", **changes: Any) -> Order:
    order = placed(number, **({"ship_to": HOME["ship_to"]} | changes))
    dispatch_ready()
    assert state(order) == "dispatched"
    return again(order)


def report(number: str, *events: str, **values: Any) -> None:
    for event in events:
        record_shipment_event(number, event, actor=WMS, **values)


def request_state(order: Order) -> tuple[str, str]:
    request = order.stop_requests.order_by("-id")[0]
    return request.purpose, request.state


@pytest.fixture
def crm() -> Caller:
    return Caller("feed:write", source="crm")


def tell(crm: Caller, message: str, changes: dict[str, Any], number: str = "R-1") -> Any:
    subject = {"kind": "order", "id": number}
    return crm.post("changes/", {"id": message, "subject": subject, "changes": changes})


# --- what was answered before is no answer to a new request ---


def test_a_batch_refused_and_shipped_long_ago_does_not_refuse_a_new_request() -> None:
    today = timezone.localdate()
    days = [(today + timedelta(days=number)).isoformat() for number in (0, 40)]
    order = dispatched(lines=[("TEA-1", 2, "9.00")], deliveries=[{"date": day} for day in days])
    recall_order(order.pk, actor=supervisor(), reason="first")
    report("R-1-1", "freeze_refused", "shipped")
    Shipment.objects.filter(number="R-1-2").update(deliver_on=today)
    assert release_due_batches() == 1

    recall_order(order.pk, actor=supervisor(), reason="second")
    report("R-1-2", "freeze_ack")

    assert request_state(order) == ("hold", "carried_out")
    assert (state(order), parcels(order)[1]) == ("on_hold", ("R-1-2", "frozen"))


# --- what another system says while the warehouse is asked ---


def test_taking_a_change_back_while_the_warehouse_is_asked_is_not_lost(crm: Caller) -> None:
    order = dispatched()
    assert tell(crm, "1", MOVED).json()["outcome"] == "waiting"

    with nothing_changes():
        refused(tell(crm, "2", HOME), 409, "already_done")

    report("R-1-1", "freeze_refused")
    assert tell(crm, "2", HOME).json()["outcome"] == "unchanged"
    assert again(order).city == "杭州市"


def test_the_desk_taking_a_change_back_is_told_to_wait_too() -> None:
    dispatched()
    change_order("R-1", version=None, fields=MOVED, actor=CRM)

    with nothing_changes(), pytest.raises(Exception, match=r"wait|等"):
        change_order("R-1", version=None, fields=HOME, actor=supervisor())


def test_the_same_wish_said_again_waits_for_the_same_answer(crm: Caller) -> None:
    dispatched()
    tell(crm, "1", MOVED)
    before = acts(Order.objects.get())

    again_said = tell(crm, "2", MOVED)

    assert (again_said.status_code, again_said.json()["outcome"]) == (202, "waiting")
    assert acts(Order.objects.get()) == before
    assert StopRequest.objects.count() == 1


def test_another_wish_meanwhile_is_refused(crm: Caller) -> None:
    dispatched()
    tell(crm, "1", MOVED)

    with nothing_changes():
        refused(tell(crm, "2", OTHER), 409, "already_done")


def test_a_remark_sent_with_an_address_never_waits(crm: Caller) -> None:
    order = dispatched()

    tell(crm, "1", MOVED | {"seller_remark": "called twice"})
    assert (again(order).seller_remark, again(order).city) == ("called twice", "杭州市")
    assert StopRequest.objects.get().fields == {"ship_to": MOVED["ship_to"]}
    change_order("R-1", version=None, fields={"seller_remark": "newer"}, actor=supervisor())
    report("R-1-1", "freeze_ack")

    assert (again(order).seller_remark, again(order).city) == ("newer", "宁波市")


def test_a_remark_is_kept_when_the_address_came_too_late(crm: Caller) -> None:
    order = dispatched()
    tell(crm, "1", MOVED | {"seller_remark": "called twice"})

    report("R-1-1", "freeze_refused")

    assert (again(order).seller_remark, again(order).city) == ("called twice", "杭州市")


def test_a_change_of_a_split_order_waits_while_a_child_waits(crm: Caller) -> None:
    order = placed("R-1", lines=[("TEA-1", 2, "9.00")], ship_to=HOME["ship_to"])
    lines = list(order.lines.values_list("position", flat=True))
    split_order("R-1", [[(lines[0], 1)], [(lines[0], 1)]], actor=SHOP)
    dispatch_ready()

    answer = tell(crm, "1", MOVED)

    assert StopRequest.objects.filter(state="waiting").count() == 2
    assert (answer.status_code, answer.json()["outcome"]) == (202, "waiting")


def test_of_a_split_order_with_one_parcel_gone_nothing_is_changed(crm: Caller) -> None:
    order = placed("R-1", lines=[("TEA-1", 2, "9.00")], ship_to=HOME["ship_to"])
    lines = list(order.lines.values_list("position", flat=True))
    split_order("R-1", [[(lines[0], 1)], [(lines[0], 1)]], actor=SHOP)
    dispatch_ready()
    report("R-1-A-1", "picked", "shipped")

    with nothing_changes():
        refused(tell(crm, "1", MOVED), 409, "wrong_state")
    assert tell(crm, "1", MOVED, "R-1-B").json()["outcome"] == "waiting"


# --- reports of the warehouse ---


def test_a_stop_confirmed_again_after_the_order_was_cancelled_is_a_repeat() -> None:
    dispatched()
    cancel_order("R-1", actor=SHOP, reason="refund")
    report("R-1-1", "freeze_ack")
    assert parcels(Order.objects.get()) == [("R-1-1", "cancelled")]

    with nothing_changes():
        report("R-1-1", "freeze_ack")
    for event in ("picked", "shipped", "delivered", "freeze_refused"):
        with nothing_changes(), pytest.raises(WrongState):
            report("R-1-1", event)


def test_a_report_of_the_future_is_refused() -> None:
    """A delivery of next year would keep a return open until then."""
    dispatched()
    wms = Caller("shipments:write", "orders:read", source="wms")
    later = database_now() + timedelta(minutes=6)

    with nothing_changes():
        answer = wms.post("shipments/R-1-1/events/", {"event": "shipped", "at": later.isoformat()})
        assert fields_of(refused(answer, 422)) == {("at", "future")}
    soon = database_now() + timedelta(minutes=4)  # a clock a little ahead is an ordinary one
    event = {"event": "shipped", "at": soon.isoformat()}
    assert wms.post("shipments/R-1-1/events/", event).status_code == 200


def test_a_change_cannot_pass_for_a_report_that_comes_later(crm: Caller) -> None:
    dispatched()
    both = Caller("feed:write", "shipments:write", "orders:read", source="erp")
    tell(both, "R-1-1/picked/7", {"seller_remark": "x"})

    both.post("shipments/R-1-1/events/", {"event": "picked", "event_id": "7"})

    assert Shipment.objects.get().state == "picking"
    assert Inbox.objects.count() == 2


# --- gifts ---


def test_a_gift_is_not_cancelled_when_its_main_order_goes_out() -> None:
    main = placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    cancel_order("R-1", actor=SHOP, reason="refund")

    report("G-1-1", "freeze_ack")
    report("R-1-1", "freeze_refused")

    assert (state(main), state(gift)) == ("dispatched", "dispatched")
    assert parcels(gift) == [("G-1-1", "released")]
    assert request_state(gift) == ("cancel", "refused")
    assert_ledger_agrees()


def test_a_gift_stopped_after_its_main_order_went_out_goes_on_too() -> None:
    main = placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    cancel_order("R-1", actor=SHOP, reason="refund")

    report("R-1-1", "freeze_refused")
    report("G-1-1", "freeze_ack")

    assert (state(main), state(gift)) == ("dispatched", "dispatched")
    assert parcels(gift) == [("G-1-1", "released")]
    assert request_state(gift) == ("cancel", "refused")


@pytest.mark.parametrize("first", ["R-1-1", "G-1-1"])
def test_main_order_and_gift_both_stopped_are_cancelled_together(first: str) -> None:
    main = placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    cancel_order("R-1", actor=SHOP, reason="refund")

    report(first, "freeze_ack")
    report("G-1-1" if first == "R-1-1" else "R-1-1", "freeze_ack")

    assert (state(main), state(gift)) == ("cancelled", "cancelled")
    assert_ledger_agrees()


def test_a_gift_already_gone_does_not_keep_its_main_order() -> None:
    main = placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    cancel_order("R-1", actor=SHOP, reason="refund")

    report("G-1-1", "shipped")
    report("R-1-1", "freeze_ack")

    assert (state(main), state(gift)) == ("cancelled", "shipped")


def test_a_gift_at_the_warehouse_is_stopped_with_a_main_order_nobody_packs_yet() -> None:
    day = (timezone.localdate() + timedelta(days=40)).isoformat()
    main = placed("R-1", lines=[("TEA-1", 1, "9.00")], deliveries=[{"date": day}])
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    assert (parcels(main), parcels(gift)) == ([("R-1-1", "planned")], [("G-1-1", "released")])

    cancel_order("R-1", actor=SHOP, reason="refund")
    assert (state(main), request_state(gift)) == ("cancelled", ("cancel", "waiting"))
    report("G-1-1", "freeze_ack")

    assert state(gift) == "cancelled"
    assert_ledger_agrees()


def test_a_gift_that_is_answered_waits_for_its_main_order_and_alerts_nobody(crm: Caller) -> None:
    placed("R-1")
    gift = placed("G-1", gift_for="R-1")
    dispatch_ready()
    cancel_order("R-1", actor=SHOP, reason="refund")
    report("G-1-1", "freeze_ack")
    assert request_state(gift) == ("cancel", "waiting")

    later = database_now() + timedelta(minutes=20)

    assert [one.name for one in stop_watch._unanswered(later)] == ["R-1 · EAST-1"]


# --- texts ---


def test_a_reason_keeps_no_invisible_characters(crm: Caller) -> None:
    dispatched()
    reason = "call\u202eed \u200bhim\u001b[31m"
    subject = {"kind": "order", "id": "R-1"}

    crm.post("changes/", {"id": "1", "subject": subject, "changes": MOVED, "reason": reason})

    assert StopRequest.objects.get().reason == "called him[31m"
    assert Shipment.objects.get().freeze_reason == "called him[31m"


# --- events before their time ---


def test_a_report_too_early_is_refused_and_taken_later_under_its_id() -> None:
    day = (timezone.localdate() + timedelta(days=40)).isoformat()
    placed("R-1", lines=[("TEA-1", 1, "9.00")], deliveries=[{"date": day}])
    dispatch_ready()
    wms = Caller("shipments:write", "orders:read", source="wms")
    event = {"event": "picked", "event_id": "7"}
    with nothing_changes():
        refused(wms.post("shipments/R-1-1/events/", event), 409, "wrong_state")

    Shipment.objects.update(deliver_on=timezone.localdate())
    release_due_batches()

    assert wms.post("shipments/R-1-1/events/", event).status_code == 200
    assert Shipment.objects.get().state == "picking"
