"""What screening saw and decided, kept so that history can be explained and replayed."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.orders import Order


class ScreeningDecision(models.Model):
    """One run of the rules over one order, with the facts, the versions and the outcome."""

    class Cause(models.TextChoices):
        INTAKE = "intake", _("Intake")
        CHANGE = "change", _("Key field changed")
        ROUTING = "routing", _("Routing")

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="decisions", verbose_name=_("order")
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    cause = models.CharField(_("cause"), max_length=8, choices=Cause.choices)
    ruleset_version = models.PositiveIntegerField(_("rule-set version"))
    list_versions = models.JSONField(_("list versions"), default=dict)
    facts = models.JSONField(_("facts"))
    outcome = models.JSONField(_("outcome"))
    took_us = models.PositiveIntegerField(_("took, microseconds"), default=0)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.order.number} · v{self.ruleset_version}"
