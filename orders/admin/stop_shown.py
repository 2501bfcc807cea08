"""A stop request as the order page tells it: who asked what of whom, who answers, what follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from changefeed.models import Change
from changefeed.telling import CHANGES_LOOKED_AT
from orders.admin.facts_shown import mask_street
from orders.admin.told_shown import ShownSystem, Telling, counted
from orders.display import person, span
from orders.models import Order, Shipment, StopRequest
from orders.phones import mask_name, mask_phone
from orders.querysets import patience
from orders.timeline import TimelineItem, field_word

Purpose, State = StopRequest.Purpose, StopRequest.State
ANSWERS = {
    "warehouse_stopped": gettext_lazy("stopped"),
    "warehouse_refused": gettext_lazy("picked already"),
    "shipped": gettext_lazy("shipped already"),
}
NEWS_FOR = timedelta(days=1)
# What tells the feed of an answer that may decide.
DECIDING = ("shipment.frozen", "shipment.freeze_refused", "shipment.shipped")
# An answer and what it brings about are written within one transaction, but not at one moment.
_APART = timedelta(seconds=10)

_ASKED: dict[str, str | Promise] = {
    Purpose.HOLD: gettext_lazy("asked to hold the order again"),
    Purpose.CHANGE: gettext_lazy("asked to change the order"),
    Purpose.CANCEL: gettext_lazy("asked to cancel the order"),
}
_IF_STOPPED: dict[str, str | Promise] = {
    Purpose.HOLD: gettext_lazy("Stopped: the order is held for a supervisor."),
    Purpose.CHANGE: gettext_lazy(
        "Stopped: the change is made, the order is screened again and, when nothing holds it, "
        "dispatched again."
    ),
    Purpose.CANCEL: gettext_lazy("Stopped: the order is cancelled and its stock is free again."),
}
_IF_PICKED: dict[str, str | Promise] = {
    Purpose.HOLD: gettext_lazy("Picked already: it is not held, and the parcel goes out."),
    Purpose.CHANGE: gettext_lazy("Picked already: nothing is changed, and the parcel goes out."),
    Purpose.CANCEL: gettext_lazy("Picked already: it is not cancelled, and the parcel goes out."),
}
_DECIDED: dict[tuple[str, str], str | Promise] = {
    (State.CARRIED_OUT, Purpose.HOLD): gettext_lazy("The warehouse stopped it: it was held."),
    (State.CARRIED_OUT, Purpose.CHANGE): gettext_lazy(
        "The warehouse stopped it: the change was made and the order screened again."
    ),
    (State.CARRIED_OUT, Purpose.CANCEL): gettext_lazy(
        "The warehouse stopped it: the order was cancelled."
    ),
    (State.REFUSED, Purpose.HOLD): gettext_lazy("It was too late: the order was not held."),
    (State.REFUSED, Purpose.CHANGE): gettext_lazy("It was too late: nothing was changed."),
    (State.REFUSED, Purpose.CANCEL): gettext_lazy("It was too late: it was not cancelled."),
}
_REMEDY: dict[str, str | Promise] = {
    Purpose.HOLD: gettext_lazy("The parcel goes out. Ask the courier if it must come back."),
    Purpose.CHANGE: gettext_lazy(
        "The parcel goes out as it was. Ask the courier to redirect it, or tell the customer."
    ),
    Purpose.CANCEL: gettext_lazy("The parcel goes out. A return can be requested once it shipped."),
}


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One parcel: whether it was stopped, by whose word, or that its warehouse must still say."""

    parcel: str
    link: str
    warehouse: str
    word: str
    who: str = ""
    at: datetime | None = None
    said: str = ""
    answer_link: str = ""

    @property
    def is_waiting(self) -> bool:
        return self.at is None


@dataclass(frozen=True, slots=True)
class ShownStop:
    """The whole request; systems are empty for who may not see them, and `*_count` says it.

    `is_unheard` when no downstream system takes requests to stop, `is_news` for a day. `waited`
    is empty once it is answered; `again` are who asked once more and when, and `again_link` is
    for who may do so.
    """

    request: StopRequest
    headline: str
    asked: str
    wishes: list[tuple[str, str]]
    asked_of: list[ShownSystem]
    asked_count: str
    answers: list[ShownAnswer]
    outlook: list[str]
    result: str
    remedy: str
    told: list[ShownSystem]
    told_count: str
    is_unheard: bool
    is_news: bool
    waited: str
    is_overdue: bool
    again: list[tuple[str, datetime]]
    again_link: str

    @property
    def is_waiting(self) -> bool:
        return bool(self.request.state == State.WAITING)

    @property
    def may_answer(self) -> bool:
        """Whether this person may record what a warehouse says."""
        return any(one.answer_link for one in self.answers)

    @property
    def to_call(self) -> list[tuple[str, str]]:
        """(warehouse, its parcels) that have not answered."""
        silent: dict[str, list[str]] = {}
        for one in self.answers:
            if one.is_waiting:
                silent.setdefault(one.warehouse, []).append(one.parcel)
        return [(name, _(", ").join(parcels)) for name, parcels in silent.items()]


def shown_stop(
    order: Order,
    request: StopRequest,
    parcels: Sequence[Shipment],
    story: Sequence[TimelineItem],
    telling: Telling,
    user: User,
    now: datetime,
    *,
    revealed: bool,
) -> ShownStop:
    """The request in words; one read more, of what the feed recorded about it.

    `now` is the database's, which also said when it was asked.
    """
    answers = _answers(request, parcels, story, user)
    asked_seqs, decided_seqs = _seqs_of(order, request)
    asked_of = telling.news_of(asked_seqs)
    told = telling.news_of(decided_seqs) if request.answered_at else []
    is_waiting = request.state == State.WAITING
    is_refused = request.state == State.REFUSED
    purpose = request.purpose
    return ShownStop(
        request=request,
        headline=_headline(order, request, answers, now),
        asked=str(_ASKED[purpose]),
        wishes=_wishes(request.fields, revealed=revealed),
        asked_of=asked_of if telling.may_see else [],
        asked_count=_count(asked_of, telling),
        answers=answers,
        outlook=[str(_IF_STOPPED[purpose]), str(_IF_PICKED[purpose])] if is_waiting else [],
        result="" if is_waiting else str(_DECIDED[request.state, purpose]),
        remedy=str(_REMEDY[purpose]) if is_refused else "",
        told=told if telling.may_see else [],
        told_count=_count(told, telling),
        is_unheard=bool(asked_seqs) and not asked_of,
        is_news=is_waiting or now - (request.answered_at or now) < NEWS_FOR,
        waited=span(now - request.requested_at) if is_waiting else "",
        is_overdue=is_waiting and now - request.requested_at >= patience(),
        again=[
            (person(item.actor), item.at)
            for item in story
            if item.act == "stop_asked_again" and _is_of(request, item)
        ],
        again_link=reverse("admin:orders_order_ask_again", args=(order.pk,))
        if any(one.is_waiting for one in answers) and user.has_perm("orders.stop_order")
        else "",
    )


def _headline(
    order: Order, request: StopRequest, answers: Sequence[ShownAnswer], now: datetime
) -> str:
    if request.state != State.WAITING:
        return str(_DECIDED[request.state, request.purpose])
    if order.gift_for_number and not any(one.is_waiting for one in answers):
        return _("%(who)s waits for the answer about main order %(number)s, for %(span)s.") % {
            "who": person(request.actor),
            "number": order.gift_for_number,
            "span": span(now - request.requested_at),
        }
    silent = dict.fromkeys(one.warehouse for one in answers if one.is_waiting)
    return _("%(who)s waits for %(warehouse)s to answer, for %(span)s.") % {
        "who": person(request.actor),
        "warehouse": _(", ").join(silent) or _("the warehouse"),
        "span": span(now - request.requested_at),
    }


def _answers(
    request: StopRequest,
    parcels: Sequence[Shipment],
    story: Sequence[TimelineItem],
    user: User,
) -> list[ShownAnswer]:
    """What each parcel's warehouse said, then the parcels that nobody spoke for yet."""
    end = request.answered_at and request.answered_at + _APART
    known = {one.number: one for one in parcels}
    given = {}
    for item in story:
        parcel = str(item.detail.get("parcel", ""))
        if item.act in ANSWERS and parcel and _is_of(request, item):
            shipment = known.get(parcel)
            given[parcel] = ShownAnswer(
                parcel,
                _parcel_link(shipment, user),
                shipment.warehouse.name if shipment else "",
                str(ANSWERS[item.act]),
                person(item.actor),
                item.at,
                item.reason,
            )
    silent = [
        ShownAnswer(
            one.number,
            _parcel_link(one, user),
            one.warehouse.name,
            _("no answer yet"),
            answer_link=reverse("admin:orders_shipment_answer_stop", args=(one.pk,))
            if user.has_perm("orders.answer_shipment")
            else "",
        )
        for one in parcels
        if end is None
        and one.freeze_requested_at
        and not one.freeze_answer
        and one.state in ("released", "picking")
        and one.number not in given
    ]
    return [*given.values(), *silent]


def _is_of(request: StopRequest, item: TimelineItem) -> bool:
    """Whether something happened while the request waited, or with its answer."""
    end = request.answered_at and request.answered_at + _APART
    return item.at >= request.requested_at and (end is None or item.at <= end)


def _parcel_link(parcel: Shipment | None, user: User) -> str:
    if parcel is None or not user.has_perm("orders.view_shipment"):
        return ""
    return reverse("admin:orders_shipment_change", args=(parcel.pk,))


def _seqs_of(order: Order, request: StopRequest) -> tuple[set[int], set[int]]:
    """What the feed said when it was asked, first and again, and with the deciding answer."""
    end = request.answered_at and request.answered_at + _APART
    known = Change.objects.filter(subject_kind="order", subject_id=order.number)
    rows = list(known.order_by("-seq").values_list("seq", "kind", "xid", "at")[:CHANGES_LOOKED_AT])
    # Newest first. Parcels are stopped before the request is written.
    asked_in = next(
        (
            xid
            for _seq, kind, xid, at in rows
            if kind == "shipment.freeze_requested" and at <= request.requested_at
        ),
        None,
    )
    asked = {
        seq
        for seq, kind, xid, at in rows
        if kind == "shipment.freeze_requested"
        and (xid == asked_in or (asked_in and at > request.requested_at and (not end or at < end)))
    }
    if not (asked and end):
        return asked, set()
    first = max(asked)
    decided_in = next(
        (xid for seq, kind, xid, at in rows if kind in DECIDING and seq > first and at <= end), None
    )
    return asked, {seq for seq, _kind, xid, _at in rows if xid == decided_in and seq > first}


def _count(systems: Sequence[ShownSystem], telling: Telling) -> str:
    return counted(systems) if systems and not telling.may_see else ""


def _wishes(fields: dict[str, Any], *, revealed: bool) -> list[tuple[str, str]]:
    """(field, new value) of a change that was asked for; contact data masked unless revealed."""
    wishes = []
    for name, value in fields.items():
        if name == "ship_to" and isinstance(value, dict):
            wishes += _contact_wishes(value, revealed=revealed)
        else:
            shown = value if isinstance(value, str) else _("yes") if value else _("no")
            wishes.append((field_word(name), shown or "–"))
    return wishes


def _contact_wishes(sent: dict[str, Any], *, revealed: bool) -> list[tuple[str, str]]:
    name, phone = str(sent.get("name", "")), str(sent.get("phone", ""))
    street = str(sent.get("street", ""))
    if not revealed:
        name, phone, street = mask_name(name), mask_phone(phone), mask_street(street)
    place = [str(sent.get(part, "")) for part in ("province", "city", "district")]
    has_place = any(key in sent for key in ("province", "city", "district", "street"))
    address = " ".join(filter(None, [*place, street if "street" in sent else ""]))
    recipient = " ".join(filter(None, [name, phone]))
    wishes = [(_("address"), address)] if has_place else []
    if {"name", "phone"} & sent.keys():
        wishes.append((_("recipient"), recipient))
    return wishes
