"""A rule laid to rest for one customer, until a time and for a reason."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RuleSnooze(models.Model):
    """While it lasts, the rule of that key is passed over for the customer of that number.

    Ends by itself at `until`, or earlier at `ended_at`. Written only through `rules.lifecycle`.
    """

    rule_key = models.CharField(_("rule key"), max_length=64)
    customer = models.CharField(_("customer number"), max_length=128)
    reason = models.CharField(_("reason"), max_length=500)
    until = models.DateTimeField(_("until"))
    created_by = models.CharField(_("created by"), max_length=200)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_by = models.CharField(_("ended by"), max_length=200, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("snooze")
        verbose_name_plural = _("snoozes")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule_key", "customer"],
                condition=Q(ended_at__isnull=True),
                name="rules_one_snooze_at_a_time",
            ),
            models.CheckConstraint(
                name="rules_snooze_has_a_reason",
                condition=~Q(reason="") & ~Q(rule_key="") & ~Q(customer=""),
            ),
            models.CheckConstraint(
                name="rules_snooze_forward", condition=Q(until__gt=F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_key} · {self.customer}"
