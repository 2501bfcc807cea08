"""Watches requests to stop that no warehouse answers, and alerts people to each of them once."""

from datetime import datetime

from django.db import transaction
from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from changefeed.alerting import Condition, Topic, is_only_watcher, on_one_line, remember, send
from changefeed.clock import database_now
from changefeed.models import FeedAlert
from orders.lifecycle.recalling import BEING_PACKED
from orders.models import Shipment, StopRequest

_WATCH_LOCK = 0x51_1CE_0003


def watch_stops() -> None:
    """Look once, by the database's clock; tell what is due.

    Each request is told once when it has waited too long, and once when it was answered after
    that. Two at once are as one: the second leaves without doing anything.
    """
    with transaction.atomic():
        if not is_only_watcher(_WATCH_LOCK):
            return
        now = database_now()
        remember([TOPIC], _unanswered(now), now)
    send([TOPIC])


def _unanswered(now: datetime) -> list[Condition]:
    """One for each request, by its id; the figure is how many seconds it has waited."""
    silent = Shipment.objects.filter(
        state__in=BEING_PACKED, freeze_requested_at__isnull=False, freeze_answer=""
    )
    requests = (
        StopRequest.objects.unanswered(now)
        .select_related("order")
        .prefetch_related(
            Prefetch("order__shipments", silent.select_related("warehouse").order_by("id"))
        )
    )
    return [
        Condition(
            TOPIC.kind, request.pk, _name(request), (now - request.requested_at).total_seconds()
        )
        for request in requests
        if request.order.shipments.all()  # else a gift: answered, and decided with its main order
    ]


def _name(request: StopRequest) -> str:
    """The order's number and who is silent: nothing of the customer, nothing of the reason."""
    names = dict.fromkeys(one.warehouse.name for one in request.order.shipments.all())
    return " · ".join([request.order.number, *names])


def _line(alert: FeedAlert) -> str:
    minutes = int(alert.figure // 60)
    named = {"name": on_one_line(alert.name), "count": minutes}
    if minutes < 120:
        return _("%(name)s: no answer for %(count)d min") % named
    return _("%(name)s: no answer for %(count)d h") % {**named, "count": minutes // 60}


def _over(alert: FeedAlert) -> str:
    return _("%(name)s: settled") % {"name": on_one_line(alert.name)}


TOPIC = Topic(
    "orders.stop",
    title=gettext_lazy("Sluice orders"),
    heading=gettext_lazy("a warehouse has not said whether it stopped a parcel: call it"),
    line=_line,
    over=_over,
    order_by=("key",),
)
