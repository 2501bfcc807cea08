"""What became of each line of an order: bought, delivered, returning, refunded; three queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Case, F, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from orders.models import Order, OrderLine, ShipmentLine
from orders.status import ShipmentState
from returns.eligibility import Eligibility, LineStanding, eligibility
from returns.models import ReturnLine
from returns.refunds import BoughtLine, paid_by_line
from returns.status import INSPECTED, VOID, ReturnKind


@dataclass(frozen=True, slots=True)
class ReturnableLine:
    """An order line with what may still be returned of it, and the money that stands behind it."""

    line: OrderLine
    standing: LineStanding
    eligibility: Eligibility
    paid: Decimal
    returned_amount: Decimal


def window_days(kind: str) -> int:
    """Days after delivery within which a return of this kind may be requested."""
    return settings.EXCHANGE_DAYS if kind == ReturnKind.EXCHANGE else settings.RETURN_DAYS


def returnable_lines(order: Order, kind: str, now: datetime) -> list[ReturnableLine]:
    """Every line of the order, also those that cannot be returned, by position.

    Under the order's lock the answer holds until the transaction ends.
    """
    lines = list(order.lines.select_related("sku").order_by("position"))
    delivered = _delivered(lines)
    returning = _returning(lines)
    paid = paid_by_line(
        [BoughtLine(line.position, line.quantity, line.unit_price) for line in lines],
        order.goods_total,
        order.discount_total,
    )
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    answer = []
    for line in lines:
        units, at = delivered.get(line.pk, (0, None))
        back, amount = returning.get(line.pk, (0, Decimal("0.00")))
        standing = LineStanding(line.position, line.quantity, units, back, at)
        answer.append(
            ReturnableLine(
                line,
                standing,
                eligibility(standing, window_days=window_days(kind), now=now, zone=zone),
                paid[line.position],
                amount,
            )
        )
    return answer


def _delivered(lines: Sequence[OrderLine]) -> dict[int, tuple[int, datetime | None]]:
    rows = (
        ShipmentLine.objects.filter(order_line__in=lines, shipment__state=ShipmentState.DELIVERED)
        .values_list("order_line_id")
        .annotate(units=Sum("quantity"), at=Max("shipment__delivered_at"))
        .order_by("order_line_id")
    )
    return {line: (units, at) for line, units, at in rows}


def live_lines() -> QuerySet[ReturnLine]:
    """Lines of requests that did not come to nothing."""
    return ReturnLine.objects.exclude(request__state__in=VOID)


def _returning(lines: Sequence[OrderLine]) -> dict[int, tuple[int, Decimal]]:
    """Units and money by order line; of what arrived, the units that were found."""
    found = Coalesce(F("good_units"), Value(0)) + Coalesce(F("bad_units"), Value(0))
    units = Case(
        When(Q(request__state__in=INSPECTED) & Q(good_units__isnull=False), then=found),
        default=F("quantity"),
    )
    rows = (
        live_lines()
        .filter(order_line__in=lines)
        .values_list("order_line_id")
        .annotate(units=Sum(units), amount=Sum("refund_amount"))
        .order_by("order_line_id")
    )
    return {line: (count, amount) for line, count, amount in rows}
