"""Runs of rules over past decisions: what was asked, how far it is, and what came out."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class BacktestState(models.TextChoices):
    """How far a run is."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Finished")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Failed")


class BacktestRun(models.Model):
    """Rules tried on the decisions of a period, against the rules that were live when asked.

    `document` are the rules tried, `base_version` the live version they are compared with.
    `sweep` names a numeric condition and the numbers to try: {"rule", "group", "row", "values"};
    null for a plain run. `total` and `done` count decisions. `result` is what
    `rules.backtest` answers; null until the run is finished.
    """

    state = models.CharField(
        _("state"), max_length=10, choices=BacktestState.choices, default=BacktestState.QUEUED
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    document = models.JSONField(_("document"), editable=False)
    base_version = models.PositiveIntegerField(_("compared with version"), null=True, blank=True)
    tried_version = models.PositiveIntegerField(_("version tried"), null=True, blank=True)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"))
    sweep = models.JSONField(_("sweep"), null=True, blank=True, editable=False)
    total = models.PositiveIntegerField(_("decisions"), default=0)
    done = models.PositiveIntegerField(_("decisions done"), default=0)
    result = models.JSONField(_("result"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True)
    cancel_asked = models.BooleanField(_("cancel asked"), default=False)
    requested_by = models.CharField(_("requested by"), max_length=200)
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("backtest")
        verbose_name_plural = _("backtests")
        ordering = ["-requested_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="rules_backtest_state_known", condition=Q(state__in=BacktestState.values)
            ),
            models.CheckConstraint(
                name="rules_backtest_forward", condition=Q(since__lt=F("until"))
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}".strip()
