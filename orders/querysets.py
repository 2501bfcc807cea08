"""Named reads over orders and holds."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from orders.status import FollowUp, HoldOwner, HoldState, OrderState

if TYPE_CHECKING:
    from orders.models import Customer, Hold, Order, StopRequest  # noqa: F401

_ITSELF = "system"
"""The name of orders.actors.SYSTEM, which needs the models and so cannot be imported here."""


class OrderQuerySet(models.QuerySet["Order"]):
    def awaiting_dispatch(self, now: datetime) -> "OrderQuerySet":
        """Ready orders whose earliest dispatch time has come and that travel by themselves.

        A parent travels as its children, a merged order with its main order, and a gift when
        its main order goes.
        """
        return self.filter(state=OrderState.READY, split_into=0, merged_into_number="").filter(
            Q(dispatch_after__isnull=True) | Q(dispatch_after__lte=now)
        )

    def visible_to(self, customer: "Customer") -> "OrderQuerySet":
        """The customer's own orders, nobody else's."""
        return self.filter(customer=customer)


class HoldQuerySet(models.QuerySet["Hold"]):
    def open(self) -> "HoldQuerySet":
        return self.filter(state=HoldState.OPEN)

    def judged(self) -> "HoldQuerySet":
        """Holds of rules on which somebody gave a verdict: released as fine, or upheld as right.

        Upholding names what follows; a hold that merely ended with its cancelled order has
        nothing that follows. What was closed without a reason given, or by Sluice itself (a
        merged order's holds are its main order's now), is no verdict either.
        """
        upheld = Q(state=HoldState.UPHELD) & ~Q(follow_up="")
        released = Q(state=HoldState.RELEASED) & ~Q(resolution="") & ~Q(resolved_by=_ITSELF)
        return self.filter(upheld | released, owner=HoldOwner.RULE)

    def blocking(self) -> "HoldQuerySet":
        """Holds that keep their order: open, or upheld and waiting for a correction."""
        return self.filter(
            Q(state=HoldState.OPEN)
            | Q(
                state=HoldState.UPHELD,
                follow_up=FollowUp.CORRECTION,
                corrected_at__isnull=True,
            )
        )


class StopRequestQuerySet(models.QuerySet["StopRequest"]):
    def waiting(self) -> "StopRequestQuerySet":
        """Requests to stop that a warehouse still has to answer."""
        return self.filter(state="waiting")

    def unanswered(self, now: datetime) -> "StopRequestQuerySet":
        """Those that have waited longer than a warehouse should need; `now` is the database's."""
        return self.waiting().filter(requested_at__lte=now - patience())


def patience() -> timedelta:
    """How long a warehouse may take to answer before somebody has to see to it."""
    return timedelta(minutes=settings.STOP_ALERT_MINUTES)
