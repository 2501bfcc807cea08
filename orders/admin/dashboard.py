"""The desk's first page: four figures and today's orders by the hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.board.tabs import start_of_today
from orders.models import Hold, Order
from orders.status import OrderState
from rules.fraud_state import Switch, switch_state

NEWEST = 20_000
"""Orders the figures of today look at; more than any shop takes in one day."""


@dataclass(frozen=True, slots=True)
class Figure:
    title: str
    value: int
    link: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class HourBar:
    """One hour: orders that went on, were held, were cancelled; heights in percent."""

    label: str
    total: int
    gone: int
    held: int
    gone_height: float
    held_height: float

    @property
    def gone_top(self) -> float:
        return round(100 - self.gone_height, 1)

    @property
    def held_top(self) -> float:
        return round(self.gone_top - self.held_height, 1)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK; people without orders to see get the plain page."""
    if not request.user.has_perm("orders.view_order"):
        return context
    now = timezone.now()
    today = start_of_today(now)
    newest = Order.objects.aggregate(newest=Max("pk"))["newest"]
    recent = Order.objects.filter(pk__gt=(newest or 0) - NEWEST)
    holds = Hold.objects.open().aggregate(
        open=Count("id"), overdue=Count("id", filter=Q(due_at__lte=now))
    )
    ready = Order.objects.filter(state=OrderState.READY).count()
    dispatched = recent.filter(dispatched_at__gte=today).count()
    board = reverse("admin:orders_hold_changelist")
    orders = reverse("admin:orders_order_changelist")
    context |= {
        "figures": [
            Figure(_("Open holds"), holds["open"], board),
            Figure(_("Overdue"), holds["overdue"], f"{board}?view=overdue", holds["overdue"] > 0),
            Figure(_("Ready to leave"), ready, f"{orders}?state__exact=ready"),
            Figure(_("Dispatched today"), dispatched, f"{orders}?state__exact=dispatched"),
        ],
        "hours": _hours(recent, now),
        "is_empty": newest is None,
        "switch": _switch(request),
    }
    return context


def _switch(request: HttpRequest) -> Switch | None:
    """The anti-fraud switch for those who may see the rules."""
    if not request.user.has_perm("rules.view_ruleset"):
        return None
    return switch_state(may_turn=request.user.has_perm("rules.publish_ruleset"))


def _hours(recent: Any, now: datetime) -> list[HourBar]:
    """The last 24 hours, oldest first."""
    end = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    begin = end - timedelta(hours=23)
    rows = (
        recent.filter(received_at__gte=begin)
        .annotate(hour=TruncHour("received_at"))
        .values("hour")
        .annotate(total=Count("id"), held=Count("id", filter=Q(state=OrderState.ON_HOLD)))
    )
    found = {timezone.localtime(row["hour"]): row for row in rows}
    most = max((row["total"] for row in found.values()), default=0) or 1
    bars = []
    for step in range(24):
        hour = begin + timedelta(hours=step)
        row = found.get(hour, {"total": 0, "held": 0})
        gone = row["total"] - row["held"]
        bars.append(
            HourBar(
                f"{hour:%H}",
                row["total"],
                gone,
                row["held"],
                round(100 * gone / most, 1),
                round(100 * row["held"] / most, 1),
            )
        )
    return bars
