"""Reasons not to ship, the supervisor's answers, and the waivers that outlive them."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from orders import triggers
from orders.models.orders import Order
from orders.querysets import HoldQuerySet
from orders.status import FollowUp, HoldOwner, HoldReason, HoldState, Risk


class Hold(ConcurrentTransitionMixin, models.Model):
    """One reason not to ship one order; it never lapses by itself."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="holds", verbose_name=_("order"))
    owner = models.CharField(_("owner"), max_length=16, choices=HoldOwner.choices)
    rule_key = models.CharField(_("rule key"), max_length=80, blank=True)
    rule_name = models.CharField(_("rule"), max_length=200, blank=True)
    ruleset_version = models.PositiveIntegerField(_("rule-set version"), null=True, blank=True)
    reason = models.TextField(_("hold reason"))
    risk = models.CharField(_("risk"), max_length=6, choices=Risk.choices, default=Risk.HIGH)
    inputs = models.JSONField(_("values that matched"), default=list)
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    state = FSMField(
        _("state"),
        max_length=8,
        choices=HoldState.choices,
        default=HoldState.OPEN,
        protected=True,
    )
    opened_at = models.DateTimeField(_("opened at"), db_default=Now())
    due_at = models.DateTimeField(_("due at"))
    escalated_at = models.DateTimeField(_("escalated at"), null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("claimed by"),
    )
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    resolved_by = models.CharField(_("resolved by"), max_length=160, blank=True)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolution = models.TextField(_("reason given"), blank=True)
    follow_up = models.CharField(
        _("what follows"), max_length=10, choices=FollowUp.choices, blank=True
    )
    corrected_at = models.DateTimeField(_("corrected at"), null=True, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=HoldState.values), name="hold_state_known"
            ),
            models.CheckConstraint(
                condition=Q(owner__in=HoldOwner.values), name="hold_owner_known"
            ),
            models.CheckConstraint(
                condition=Q(state="open", resolved_at__isnull=True)
                | (~Q(state="open") & Q(resolved_at__isnull=False)),
                name="resolved_hold_has_its_time",
            ),
            models.UniqueConstraint(
                fields=["order", "owner", "rule_key"],
                condition=Q(state="open"),
                name="one_open_hold_per_cause",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state="open"), name="hold_board"),
            models.Index(fields=["rule_key", "resolved_at"], name="hold_by_rule"),
            models.Index(
                fields=["resolved_at", "id"], condition=~Q(state="open"), name="hold_resolved"
            ),
            models.Index(
                fields=["resolved_at", "id"],
                condition=Q(state="upheld", follow_up="correction", corrected_at__isnull=True),
                name="hold_waiting",
            ),
        ]
        triggers = triggers.HOLDS

    def __str__(self) -> str:
        return f"{self.order_id}: {self.reason}"

    @property
    def reason_text(self) -> str:
        """The reason in the active language; what rules and people wrote stays in their words."""
        known = HoldReason.values
        return str(HoldReason(self.reason).label) if self.reason in known else self.reason

    @transition(field=state, source=HoldState.OPEN, target=HoldState.RELEASED)
    def mark_released(self, *, by: str, at: datetime, reason: str) -> None:
        self.resolved_by, self.resolved_at, self.resolution = by, at, reason

    @transition(field=state, source=HoldState.OPEN, target=HoldState.UPHELD)
    def mark_upheld(self, *, by: str, at: datetime, reason: str, follow_up: str) -> None:
        self.resolved_by, self.resolved_at, self.resolution = by, at, reason
        self.follow_up = follow_up


class Waiver(models.Model):
    """A release that a re-screen respects until the inputs that matched change."""

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="waivers", verbose_name=_("order")
    )
    rule_key = models.CharField(_("rule key"), max_length=80)
    fingerprint = models.CharField(max_length=64)
    hold = models.ForeignKey(Hold, models.CASCADE, related_name="waivers", verbose_name=_("hold"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("waiver")
        verbose_name_plural = _("waivers")
        constraints = [
            models.UniqueConstraint(fields=["order", "rule_key", "fingerprint"], name="one_waiver")
        ]

    def __str__(self) -> str:
        return self.rule_key
