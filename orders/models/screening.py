"""What screening saw and decided, kept so that history can be explained and replayed."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.orders import Order


class ScreeningDecision(models.Model):
    """One run of the rules over one order, with the facts, the versions and the outcome.

    `shadow` is what watching rules would have done: {"rules": [keys of shadow rules that
    matched], "version": number of the shadow version or null, "outcome": its decision in short
    or null, "took_us": microseconds beside `took_us`, "failed": true after an error}; null when
    nothing watched. An outcome reads {"held": key of the holding rule or null, "slots", "tags",
    "dispatch", "change": what would have come out otherwise, see rules.watching}.
    """

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
    shadow = models.JSONField(_("shadow run"), null=True, blank=True)
    took_us = models.PositiveIntegerField(_("took, microseconds"), default=0)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["at", "id"], name="decision_by_time")]

    def __str__(self) -> str:
        return f"{self.order.number} · v{self.ruleset_version}"


class RuleDay(models.Model):
    """How often one rule acted on one day of the shop; summed from decisions, never counted up.

    `hits` are decisions it acted in, `shadow_hits` those in which it only watched. The row with
    an empty `rule_key` counts all decisions of the day.
    """

    day = models.DateField(_("day"))
    rule_key = models.CharField(_("rule key"), max_length=80, blank=True)
    layer = models.CharField(_("layer"), max_length=20, blank=True)
    hits = models.PositiveIntegerField(_("hits"), default=0)
    shadow_hits = models.PositiveIntegerField(_("shadow hits"), default=0)
    last_at = models.DateTimeField(_("last fired"), null=True, blank=True)

    class Meta:
        verbose_name = _("hits of a day")
        verbose_name_plural = _("hits of a day")
        constraints = [models.UniqueConstraint(fields=["day", "rule_key"], name="one_rule_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.rule_key}"
