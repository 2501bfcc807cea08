"""The kinds of change of orders, their holds, parcels and customers; see orders.triggers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _

from changefeed import kinds
from changefeed.kinds import Example, Kind

SHIP_TO = {
    "province": "浙江省",
    "city": "杭州市",
    "district": "余杭区",
    "street": "文一西路 969 号",
}
OTHER_SHIP_TO = {**SHIP_TO, "city": "宁波市", "district": "鄞州区", "street": "首南西路 88 号"}
RECIPIENT = {"name": "林婷", "phone": "+8613800000000", "phone_masked": "", "phone_hash": ""}
OTHER_RECIPIENT = {**RECIPIENT, "name": "周岚", "phone": "+8613900000000"}
NO_ROUTING = {
    "warehouse": None,
    "courier": None,
    "packaging": None,
    "lane": "",
    "print_priority": None,
}
ROUTING = {
    "warehouse": "EAST-1",
    "courier": "ZTO",
    "packaging": "carton",
    "lane": "standard",
    "print_priority": 5,
}
LINES = [{"sku": "TEA-1", "quantity": 2, "unit_price": "99.00", "is_gift": False}]
RECEIVED = {
    "number": "DY-20261111-000127",
    "channel": "douyin",
    "customer": "C-20931",
    "state": "ready",
    "placed_at": "2026-11-11T02:12:51+00:00",
    "paid_at": "2026-11-11T02:13:02+00:00",
    "currency": "CNY",
    "grand_total": "198.00",
    "ship_to": SHIP_TO,
    "recipient": RECIPIENT,
    "lines": LINES,
    "invoice_title": "",
    "delivery_slot": "",
}
HOLD = {
    "id": 812,
    "owner": "rule",
    "rule_key": "xinjiang-coupon",
    "reason": "47 false-shipment complaints in three months",
    "risk": "high",
    "state": "open",
    "due_at": "2026-11-11T04:13:09.418204+00:00",
    "resolved_by": "",
    "resolution": "",
    "follow_up": "",
}
RESOLVED = {**HOLD, "resolved_by": "user:alice"}
PARCEL = {
    "number": "DY-20261111-000127-1",
    "order": "DY-20261111-000127",
    "state": "released",
    "routing": ROUTING,
    "deliver_on": None,
    "waybill": "",
    "freeze_reason": "",
    "freeze_answer": "",
    "ship_to": SHIP_TO,
    "recipient": RECIPIENT,
    "lines": [{"sku": "TEA-1", "quantity": 2}],
}


def _state(old: str, new: str) -> tuple[Example, ...]:
    return (Example("state", old, new),)


def _hold(**changes: str) -> tuple[Example, ...]:
    return (Example("hold", None, {**(RESOLVED if changes else HOLD), **changes}),)


def _parcel(**changes: Any) -> tuple[Example, ...]:
    return (Example("shipment", None, {**PARCEL, **changes}),)


def _effect_keys() -> Iterable[str]:
    """What the effects are called that any version of the rules asks for."""
    from rules.models import RuleAction

    asked = RuleAction.objects.filter(do="effect").order_by()
    return asked.values_list("params__key", flat=True).distinct()


ORDER_KINDS = (
    Kind(
        "order.received",
        "order",
        _("Order received"),
        _("An order was taken in and screened; `new` is the order as it came."),
        (Example(new=RECEIVED),),
    ),
    Kind(
        "order.waiting",
        "order",
        _("Order waiting"),
        _("Nothing holds it, but nothing sends it on either: it is not paid, for instance."),
        _state("ready", "received"),
    ),
    Kind(
        "order.held",
        "order",
        _("Order held"),
        _("There is a reason not to ship it: a hold is open, or a warehouse stopped in time."),
        _state("ready", "on_hold"),
    ),
    Kind(
        "order.cleared",
        "order",
        _("Order cleared"),
        _("Nothing holds it any more and it may be dispatched."),
        _state("on_hold", "ready"),
    ),
    Kind(
        "order.dispatched",
        "order",
        _("Order dispatched"),
        _("A warehouse was told to pack it."),
        _state("ready", "dispatched"),
    ),
    Kind(
        "order.shipped",
        "order",
        _("Order shipped"),
        _("Its last parcel left the warehouse."),
        _state("dispatched", "shipped"),
    ),
    Kind(
        "order.delivered",
        "order",
        _("Order delivered"),
        _("Its last parcel arrived."),
        _state("shipped", "delivered"),
    ),
    Kind(
        "order.cancelled",
        "order",
        _("Order cancelled"),
        _("Nothing of it will be shipped."),
        _state("on_hold", "cancelled"),
    ),
    Kind(
        "order.address_changed",
        "order",
        _("Address changed"),
        _("Any part of the delivery address changed; both addresses are told whole."),
        (Example("ship_to", SHIP_TO, OTHER_SHIP_TO),),
    ),
    Kind(
        "order.recipient_changed",
        "order",
        _("Recipient changed"),
        _("The recipient's name or phone number changed."),
        (Example("recipient", RECIPIENT, OTHER_RECIPIENT),),
    ),
    Kind(
        "order.invoice_title_changed",
        "order",
        _("Invoice title changed"),
        _("The name on the invoice changed."),
        (Example("invoice_title", "", "宁波单闸贸易有限公司"),),
    ),
    Kind(
        "order.delivery_slot_changed",
        "order",
        _("Delivery slot changed"),
        _("The wished-for time of delivery changed."),
        (Example("delivery_slot", "", "18:00-20:00"),),
    ),
    Kind(
        "order.lines_changed",
        "order",
        _("Lines changed"),
        _("Lines were added, changed or removed; `new` lists all there are now."),
        (Example("lines", None, LINES),),
    ),
    Kind(
        "order.routing_changed",
        "order",
        _("Routing changed"),
        _("Rules or a person assigned another warehouse, courier, packaging, lane or priority."),
        (Example("routing", NO_ROUTING, ROUTING),),
    ),
    Kind(
        "order.effect_caused",
        "order",
        _("Effect caused"),
        _(
            "Dispatching it caused what a rule asks for, once an order: send a voucher, call a "
            "courier. The field is the name of the effect."
        ),
        (
            Example(
                "{effect}",
                None,
                {"effect": "after_sales_voucher", "rule": "vip", "customer": "C-20931"},
            ),
        ),
        words=_effect_keys,
    ),
    Kind(
        "order.refund_requested",
        "order",
        _("Refund asked for"),
        _("A paid order was cancelled: finance is asked for the amount of what will not come."),
        (
            Example(
                "refund",
                None,
                {"amount": "198.00", "currency": "CNY", "reason": "customer changed their mind"},
            ),
        ),
    ),
)

HOLD_KINDS = (
    Kind(
        "hold.opened",
        "order",
        _("Hold opened"),
        _("A rule, the stock, a person or the product itself found a reason not to ship."),
        _hold(),
    ),
    Kind(
        "hold.released",
        "order",
        _("Hold released"),
        _("The reason went away or a supervisor released it; other holds may still be open."),
        _hold(state="released", resolution="address confirmed by phone"),
    ),
    Kind(
        "hold.upheld",
        "order",
        _("Hold upheld"),
        _("A supervisor confirmed it; `follow_up` says whether a correction is awaited."),
        _hold(state="upheld", resolution="not this address", follow_up="correction"),
    ),
    Kind(
        "hold.escalated",
        "order",
        _("Hold overdue"),
        _("Nobody decided in time; the order stays held."),
        (
            Example(
                "hold",
                None,
                {
                    "id": 812,
                    "due_at": "2026-11-11T04:13:09.418Z",
                    "reason": "47 false-shipment complaints in three months",
                },
            ),
        ),
    ),
    Kind(
        "hold.inherited",
        "order",
        _("Hold passed on"),
        _("Orders were merged and the hold now stands on the main one."),
        _hold(resolved_by=""),
    ),
)

SHIPMENT_KINDS = (
    Kind(
        "shipment.planned",
        "order",
        _("Shipment planned"),
        _("A batch of a later day was planned, or one that was stopped goes on."),
        _parcel(state="planned", deliver_on="2026-11-18"),
    ),
    Kind(
        "shipment.released",
        "order",
        _("Shipment released"),
        _("The warehouse shall pack it: `new` holds everything it needs."),
        _parcel(),
    ),
    Kind(
        "shipment.picking",
        "order",
        _("Shipment being packed"),
        _("The warehouse reported that it took the goods from the shelf."),
        _parcel(state="picking"),
    ),
    Kind(
        "shipment.shipped",
        "order",
        _("Shipment shipped"),
        _("The warehouse handed it to the courier; `waybill` is the courier's number."),
        _parcel(state="shipped", waybill="ZTO75312345678"),
    ),
    Kind(
        "shipment.delivered",
        "order",
        _("Shipment delivered"),
        _("It arrived at the recipient."),
        _parcel(state="delivered", waybill="ZTO75312345678"),
    ),
    Kind(
        "shipment.frozen",
        "order",
        _("Shipment stopped"),
        _("It will not leave for now: the warehouse stopped it, or had not been told of it yet."),
        _parcel(state="frozen", freeze_reason="address changed", freeze_answer="frozen"),
    ),
    Kind(
        "shipment.cancelled",
        "order",
        _("Shipment cancelled"),
        _("It will not be sent; the same number may be planned again."),
        _parcel(state="cancelled", freeze_reason="address changed", freeze_answer="frozen"),
    ),
    Kind(
        "shipment.freeze_requested",
        "order",
        _("Stop asked for"),
        _("The warehouse is asked not to send it; it must answer stopped or too late."),
        _parcel(freeze_reason="address changed"),
    ),
    Kind(
        "shipment.freeze_refused",
        "order",
        _("Stop came too late"),
        _("The warehouse could not stop it any more."),
        _parcel(
            state="shipped",
            waybill="ZTO75312345678",
            freeze_reason="address changed",
            freeze_answer="refused",
        ),
    ),
    Kind(
        "shipment.rescheduled",
        "order",
        _("Shipment on another day"),
        _("The day on which a batch is wanted changed."),
        _parcel(state="planned", deliver_on="2026-11-25"),
    ),
    Kind(
        "shipment.rerouted",
        "order",
        _("Shipment on another way"),
        _("Another warehouse or courier was chosen for it."),
        _parcel(state="planned", routing={**ROUTING, "courier": "SF"}),
    ),
)

CUSTOMER_KINDS = (
    Kind(
        "customer.contact_changed",
        "customer",
        _("Contact changed"),
        _("The customer's own name or phone number changed."),
        (
            Example(
                "contact",
                {"name": "林婷", "phone": "+8613800000000"},
                {"name": "林婷", "phone": "+8613900000000"},
            ),
        ),
    ),
)


def register_kinds() -> None:
    """Tell the catalogue; called once when the app is ready."""
    kinds.register(
        (*ORDER_KINDS, *HOLD_KINDS, *SHIPMENT_KINDS, *CUSTOMER_KINDS),
        {
            "order": _("Orders"),
            "hold": _("Holds"),
            "shipment": _("Shipments"),
            "customer": _("Customers"),
        },
        rank=1,
        ids={"order": "DY-20261111-000127", "customer": "C-20931"},
    )
