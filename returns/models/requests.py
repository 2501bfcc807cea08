"""A customer's wish to give goods back, its lines, and what became of it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from orders.models import Customer, Order, OrderLine, Warehouse
from returns import triggers
from returns.status import ReturnKind, ReturnState

MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 2}


def _brings_goods(request: Any) -> bool:
    return bool(request.brings_goods)


def _is_done(request: Any) -> bool:
    return bool(request.is_done)


class ReturnRequest(ConcurrentTransitionMixin, models.Model):
    """One request to return delivered lines of one order, known by its `number`.

    `request_id` is the asker's own: the same one from the same source is the same request.
    """

    number = models.CharField(_("return number"), max_length=40, unique=True, editable=False)
    order = models.ForeignKey(
        Order, models.PROTECT, related_name="returns", verbose_name=_("order")
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="returns", verbose_name=_("customer")
    )
    kind = models.CharField(_("kind"), max_length=13, choices=ReturnKind.choices)
    state = FSMField(
        _("state"),
        max_length=9,
        choices=ReturnState.choices,
        default=ReturnState.REQUESTED,
        protected=True,
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    reason = models.TextField(_("reason"))
    refund_amount = models.DecimalField(_("refund"), **MONEY, default=Decimal("0.00"))

    source = models.CharField(_("source"), max_length=40, editable=False)
    request_id = models.CharField(_("request id"), max_length=120, blank=True, editable=False)
    body_hash = models.CharField(max_length=64, blank=True, editable=False)
    requested_by = models.CharField(_("requested by"), max_length=80)
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_reason = models.TextField(_("reason of the decision"), blank=True)
    warehouse = models.ForeignKey(
        Warehouse,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("receiving warehouse"),
    )
    received_by = models.CharField(_("inspected by"), max_length=80, blank=True)
    received_at = models.DateTimeField(_("goods received at"), null=True, blank=True)
    ended_by = models.CharField(_("ended by"), max_length=80, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("return")
        verbose_name_plural = _("returns")
        ordering = ["-requested_at", "-id"]
        permissions = [
            ("decide_returnrequest", "Can approve, refuse, withdraw and close returns"),
            ("receive_returnrequest", "Can receive and inspect returned goods"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ReturnState.values), name="return_state_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ReturnKind.values), name="return_kind_known"
            ),
            models.CheckConstraint(condition=Q(refund_amount__gte=0), name="refund_not_negative"),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "withdrawn"])
                | (Q(decided_at__isnull=False) & ~Q(decided_by="")),
                name="decided_return_names_who",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(decision_reason=""),
                name="refused_return_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="received")
                | Q(received_at__isnull=False, warehouse__isnull=False),
                name="received_return_says_where",
            ),
            models.UniqueConstraint(
                fields=["source", "request_id"],
                condition=~Q(request_id=""),
                name="one_return_per_request_id",
            ),
        ]
        indexes = [
            models.Index(
                fields=["requested_at"], condition=Q(state="requested"), name="return_waiting"
            )
        ]
        triggers = triggers.REQUEST

    def __str__(self) -> str:
        return self.number

    @transition(field=state, source=ReturnState.REQUESTED, target=ReturnState.APPROVED)
    def mark_approved(self, *, by: str, at: datetime, reason: str) -> None:
        self.decided_by, self.decided_at, self.decision_reason = by, at, reason

    @transition(field=state, source=ReturnState.REQUESTED, target=ReturnState.REFUSED)
    def mark_refused(self, *, by: str, at: datetime, reason: str) -> None:
        self.decided_by, self.decided_at, self.decision_reason = by, at, reason

    @transition(
        field=state,
        source=ReturnState.APPROVED,
        target=ReturnState.RECEIVED,
        conditions=[_brings_goods],
    )
    def mark_received(self, *, by: str, at: datetime, warehouse: Warehouse) -> None:
        self.received_by, self.received_at, self.warehouse = by, at, warehouse

    @transition(
        field=state,
        source=[ReturnState.APPROVED, ReturnState.RECEIVED],
        target=ReturnState.CLOSED,
        conditions=[_is_done],
    )
    def mark_closed(self, *, by: str, at: datetime) -> None:
        self.ended_by, self.ended_at = by, at

    @transition(
        field=state,
        source=[ReturnState.REQUESTED, ReturnState.APPROVED],
        target=ReturnState.WITHDRAWN,
    )
    def mark_withdrawn(self, *, by: str, at: datetime) -> None:
        self.ended_by, self.ended_at = by, at

    @property
    def brings_goods(self) -> bool:
        """Whether a parcel has to come back."""
        return self.kind != ReturnKind.REFUND_ONLY

    @property
    def gives_money(self) -> bool:
        return self.kind != ReturnKind.EXCHANGE

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for: the goods came, or none have to."""
        return self.state == ReturnState.RECEIVED or not self.brings_goods


class ReturnLine(models.Model):
    """Units of one order line in a request; good and bad ones are counted on arrival."""

    request = models.ForeignKey(
        ReturnRequest, models.CASCADE, related_name="lines", verbose_name=_("return")
    )
    order_line = models.ForeignKey(
        OrderLine, models.PROTECT, related_name="return_lines", verbose_name=_("order line")
    )
    quantity = models.PositiveIntegerField(_("quantity"))
    good_units = models.PositiveIntegerField(_("good units"), null=True, blank=True)
    bad_units = models.PositiveIntegerField(_("bad units"), null=True, blank=True)
    refund_amount = models.DecimalField(_("refund"), **MONEY, default=Decimal("0.00"))

    class Meta:
        verbose_name = _("return line")
        verbose_name_plural = _("return lines")
        ordering = ["request_id", "order_line__position"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="return_quantity_positive"),
            models.CheckConstraint(
                condition=Q(refund_amount__gte=0), name="line_refund_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(good_units__isnull=True, bad_units__isnull=True)
                | Q(
                    good_units__isnull=False,
                    bad_units__isnull=False,
                    good_units__lte=F("quantity") - F("bad_units"),
                ),
                name="no_more_inspected_than_returned",
            ),
            models.UniqueConstraint(
                fields=["request", "order_line"], name="one_return_line_per_line"
            ),
        ]
        triggers = triggers.LINES

    def __str__(self) -> str:
        return f"{self.order_line_id} × {self.quantity}"
