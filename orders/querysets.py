"""Named reads over orders and holds."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from orders.status import FollowUp, HoldState, OrderState

if TYPE_CHECKING:
    from orders.models import Customer, Hold, Order  # noqa: F401


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
