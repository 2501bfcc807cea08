"""Parcels-to-be and what each will contain."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from orders import triggers
from orders.models.catalogue import Courier, Packaging, Warehouse
from orders.models.orders import Order, OrderLine
from orders.querysets import StopRequestQuerySet
from orders.status import ShipmentState


class Shipment(ConcurrentTransitionMixin, models.Model):
    """One parcel of one order; a subscription has one per delivery date."""

    class FreezeAnswer(models.TextChoices):
        FROZEN = "frozen", _("Warehouse stopped it")
        REFUSED = "refused", _("Already picked")

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="shipments", verbose_name=_("order")
    )
    number = models.CharField(_("parcel number"), max_length=80)
    state = FSMField(
        _("state"),
        max_length=10,
        choices=ShipmentState.choices,
        default=ShipmentState.PLANNED,
        protected=True,
    )
    deliver_on = models.DateField(_("deliver on"), null=True, blank=True)
    warehouse = models.ForeignKey(
        Warehouse,
        models.PROTECT,
        related_name="shipments",
        db_index=False,
        verbose_name=_("warehouse"),
    )
    courier = models.ForeignKey(
        Courier,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("courier"),
    )
    packaging = models.ForeignKey(
        Packaging,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("packaging"),
    )
    lane = models.CharField(_("lane"), max_length=64, blank=True)
    print_priority = models.PositiveSmallIntegerField(_("print priority"), null=True, blank=True)
    waybill = models.CharField(_("waybill"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    freeze_requested_at = models.DateTimeField(_("freeze requested at"), null=True, blank=True)
    freeze_reason = models.CharField(_("freeze reason"), max_length=200, blank=True)
    freeze_answer = models.CharField(
        _("warehouse's answer"), max_length=8, choices=FreezeAnswer.choices, blank=True
    )

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["order_id", "number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ShipmentState.values), name="shipment_state_known"
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=~Q(state="cancelled"),
                name="one_active_shipment_per_parcel",
            ),
        ]
        indexes = [
            models.Index(
                fields=["deliver_on"], condition=Q(state="planned"), name="shipment_planned"
            )
        ]
        triggers = triggers.SHIPMENTS

    def __str__(self) -> str:
        return self.number

    @transition(
        field=state,
        source=[ShipmentState.PLANNED, ShipmentState.FROZEN],
        target=ShipmentState.RELEASED,
    )
    def mark_released(self, at: datetime) -> None:
        self.released_at = at
        self._forget_freeze()

    @transition(field=state, source=ShipmentState.FROZEN, target=ShipmentState.PLANNED)
    def mark_planned(self) -> None:
        """A stopped batch goes on, but its day has not come."""
        self._forget_freeze()

    def _forget_freeze(self) -> None:
        self.freeze_requested_at, self.freeze_reason, self.freeze_answer = None, "", ""

    @transition(field=state, source=ShipmentState.RELEASED, target=ShipmentState.PICKING)
    def mark_picking(self) -> None:
        """The warehouse has begun."""

    @transition(
        field=state,
        source=[ShipmentState.RELEASED, ShipmentState.PICKING],
        target=ShipmentState.SHIPPED,
    )
    def mark_shipped(self, *, at: datetime, waybill: str) -> None:
        self.shipped_at, self.waybill = at, waybill

    @transition(field=state, source=ShipmentState.SHIPPED, target=ShipmentState.DELIVERED)
    def mark_delivered(self, at: datetime) -> None:
        self.delivered_at = at

    @transition(
        field=state,
        source=[ShipmentState.PLANNED, ShipmentState.RELEASED, ShipmentState.PICKING],
        target=ShipmentState.FROZEN,
    )
    def mark_frozen(self) -> None:
        self.freeze_answer = self.FreezeAnswer.FROZEN

    @transition(
        field=state,
        source=[ShipmentState.PLANNED, ShipmentState.RELEASED, ShipmentState.FROZEN],
        target=ShipmentState.CANCELLED,
    )
    def mark_cancelled(self) -> None:
        """The parcel will not be packed."""


class ShipmentLine(models.Model):
    """How many units of an order line go into a parcel."""

    shipment = models.ForeignKey(
        Shipment, models.CASCADE, related_name="lines", verbose_name=_("shipment")
    )
    order_line = models.ForeignKey(
        OrderLine, models.CASCADE, related_name="shipment_lines", verbose_name=_("order line")
    )
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        verbose_name = _("shipment line")
        verbose_name_plural = _("shipment lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="shipment_line_quantity_positive"
            ),
            models.UniqueConstraint(
                fields=["shipment", "order_line"], name="one_shipment_line_per_line"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_line_id} × {self.quantity}"


class StopRequest(models.Model):
    """The warehouse was asked to stop a dispatched order; its answer decides what follows."""

    class Purpose(models.TextChoices):
        HOLD = "hold", _("Hold again")
        CHANGE = "change", _("Change the order")
        CANCEL = "cancel", _("Cancel the order")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting for the warehouse")
        CARRIED_OUT = "carried_out", _("Stopped and carried out")
        REFUSED = "refused", _("Already picked")

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="stop_requests", verbose_name=_("order")
    )
    purpose = models.CharField(_("purpose"), max_length=6, choices=Purpose.choices)
    fields = models.JSONField(_("requested values"), default=dict, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    actor = models.CharField(_("actor"), max_length=160)
    source = models.CharField(_("source"), max_length=50)
    state = FSMField(
        _("state"), max_length=11, choices=State.choices, default=State.WAITING, protected=True
    )
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    objects = StopRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("stop request")
        verbose_name_plural = _("stop requests")
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=Q(state="waiting"), name="one_waiting_stop_request"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "carried_out", "refused"]),
                name="stop_request_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.purpose}"

    @transition(field=state, source=State.WAITING, target=State.CARRIED_OUT)
    def mark_carried_out(self, at: datetime) -> None:
        self.answered_at = at

    @transition(field=state, source=State.WAITING, target=State.REFUSED)
    def mark_refused(self, at: datetime) -> None:
        self.answered_at = at
