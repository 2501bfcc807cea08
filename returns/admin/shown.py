"""What the pages of returns tell: lines on offer with the reason why not, and a return's story."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from orders.display import money
from orders.models import Order
from orders.phones import mask_name, mask_phone
from returns.models import ReturnRequest
from returns.standing import ReturnableLine, returnable_lines
from returns.status import ReturnKind, ReturnState


@dataclass(frozen=True, slots=True)
class OfferedLine:
    """An order line on the form: `units` that may come back, else `note` says why none may."""

    position: int
    sku: str
    name: str
    bought: int
    unit_price: str
    units: int
    note: str
    exchange_only: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a return."""

    title: str
    actor: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Whose return it is; name and phone masked."""

    external_id: str
    name: str
    phone: str


def offered_lines(order: Order, now: datetime) -> list[OfferedLine]:
    """Every line with what may be returned of it by any kind of return."""
    refunds = returnable_lines(order, ReturnKind.RETURN_REFUND, now)
    exchanges = returnable_lines(order, ReturnKind.EXCHANGE, now)
    return [
        _offered(order, refund, exchange)
        for refund, exchange in zip(refunds, exchanges, strict=True)
    ]


def _offered(order: Order, refund: ReturnableLine, exchange: ReturnableLine) -> OfferedLine:
    line, best = refund.line, refund.eligibility
    exchange_only = not best.units and exchange.eligibility.units > 0
    if exchange_only:
        best = exchange.eligibility
        note = _("Exchange only, until %(day)s.") % {"day": _day(best.until)}
    elif best.obstacle is not None:
        note = str(best.obstacle.message)
    else:
        note = _("Until %(day)s.") % {"day": _day(best.until)}
    return OfferedLine(
        line.position,
        line.sku.code,
        line.sku.name,
        line.quantity,
        money(line.unit_price, order.currency),
        best.units,
        note,
        exchange_only,
    )


def _day(moment: datetime | None) -> str:
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    return f"{moment.astimezone(zone):%Y-%m-%d}" if moment is not None else ""


def buyer_of(order: Order) -> Buyer:
    phone = order.ship_phone or order.ship_phone_masked
    return Buyer(order.customer.external_id, mask_name(order.customer.name), mask_phone(phone))


def steps_of(request: ReturnRequest) -> list[Step]:
    """What happened, oldest first."""
    decided = ReturnState.REFUSED if request.state == ReturnState.REFUSED else ReturnState.APPROVED
    ended = ReturnState.WITHDRAWN if request.state == ReturnState.WITHDRAWN else ReturnState.CLOSED
    steps = [(ReturnState.REQUESTED, request.requested_by, request.requested_at, request.reason)]
    if request.decided_at is not None:
        said = request.decision_reason
        steps.append((decided, request.decided_by, request.decided_at, said))
    if request.received_at is not None:
        steps.append((ReturnState.RECEIVED, request.received_by, request.received_at, ""))
    if request.ended_at is not None:
        steps.append((ended, request.ended_by, request.ended_at, ""))
    return [Step(str(state.label), who, at, reason) for state, who, at, reason in steps]
