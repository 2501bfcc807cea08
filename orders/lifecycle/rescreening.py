"""Another try for orders that are held only because screening could not finish."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import ExpressionWrapper, F, Max, OuterRef, Subquery
from django.db.models.fields import DateTimeField, DurationField
from django.db.models.functions import Greatest, Least, Now

from orders.actors import SYSTEM
from orders.errors import WrongState
from orders.lifecycle.reading import locked_order
from orders.lifecycle.screening import rescreen_order
from orders.models import Hold, ScreeningDecision
from orders.status import HoldOwner

SOONEST = timedelta(seconds=30)
LATEST = timedelta(hours=1)


def rescreen_waiting(limit: int = 100) -> int:
    """Screen again what trouble of screening itself holds, longest waiting first; how many passed.

    An order is tried again when half its waiting time has gone by since the last try, after 30
    seconds at the soonest and within the hour at the latest, so that lasting trouble (a list
    that nobody makes) does not fill the decisions.
    """
    cured = 0
    for order_id in _due(limit):
        cured += _try(order_id)
    return cured


def _due(limit: int) -> list[int]:
    last_try = (
        ScreeningDecision.objects.filter(order=OuterRef("order"))
        .order_by()
        .values("order")
        .annotate(last=Max("at"))
        .values("last")
    )
    waited = ExpressionWrapper(Now() - F("opened_at"), output_field=DurationField())
    pause = Least(Greatest(waited / 2, SOONEST), LATEST)
    holds = (
        Hold.objects.open()
        .filter(owner=HoldOwner.SCREENING)
        .annotate(tried_at=Subquery(last_try, output_field=DateTimeField()))
        .filter(tried_at__lte=ExpressionWrapper(Now() - pause, output_field=DateTimeField()))
        .order_by("opened_at")
        .values_list("order_id", flat=True)
    )
    return list(dict.fromkeys(holds[:limit]))


@transaction.atomic
def _try(order_id: int) -> bool:
    order = locked_order(order_id)
    if not order.holds.open().filter(owner=HoldOwner.SCREENING).exists():
        return False
    try:
        rescreen_order(order_id, actor=SYSTEM, cause=ScreeningDecision.Cause.ROUTING)
    except WrongState:
        return False
    return not order.holds.open().filter(owner=HoldOwner.SCREENING).exists()
