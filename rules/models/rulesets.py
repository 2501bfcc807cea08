"""Versions of the rule set: editable rows while a draft, a frozen document once published."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from rules import triggers
from rules.conditions import OPERATORS
from rules.document import DEFAULT_PRIORITY, LAYERS, ON_MISSING, STATUSES


class RuleSetState(models.TextChoices):
    """Where a version is in its life."""

    DRAFT = "draft", _("Draft")
    SHADOW = "shadow", _("Shadow run")
    LIVE = "live", _("Live")
    RETIRED = "retired", _("Retired")


class Layer(models.TextChoices):
    """The four layers, from first asked to last."""

    INTERCEPT = "intercept", _("Intercept")
    ALLOCATE = "allocate", _("Allocate")
    TAG = "tag", _("Tag")
    DISPATCH = "dispatch", _("Dispatch")


class RuleStatus(models.TextChoices):
    """Whether a rule acts; only a live one does."""

    DRAFT = "draft", _("Draft")
    SHADOW = "shadow", _("Shadow run")
    LIVE = "live", _("Live")
    DISABLED = "disabled", _("Disabled")


class OnMissing(models.TextChoices):
    """What a row on a missing fact counts as."""

    NO_MATCH = "no_match", _("does not match")
    MATCH = "match", _("matches")


class RuleSet(ConcurrentTransitionMixin, models.Model):
    """One version of all the rules.

    At most one version is a draft, one runs in the shadow and one is live. `document` is null
    for a draft and frozen when it is published, into the shadow or straight into force; the
    database refuses any later change but the steps forward. All who act are actors such as
    `user:alice`: `edited_by` are those who changed the draft, `published_by` froze it,
    `approved_by` put it in force. A draft or shadow version with `publish_at` goes live then,
    if its content still has the digest that was scheduled.
    """

    version = models.PositiveIntegerField(_("version"), unique=True)
    state: Any = FSMField(
        _("state"), default=RuleSetState.DRAFT, choices=RuleSetState.choices, protected=True
    )
    based_on = models.PositiveIntegerField(_("based on version"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    document = models.JSONField(_("document"), null=True, blank=True, editable=False)
    created_by = models.CharField(_("created by"), max_length=200)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    edited_by = models.JSONField(_("edited by"), default=list, blank=True)
    published_by = models.CharField(_("published by"), max_length=200, blank=True)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=200, blank=True)
    live_at = models.DateTimeField(_("live since"), null=True, blank=True)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)
    publish_at = models.DateTimeField(_("goes live at"), null=True, blank=True)
    scheduled_by = models.CharField(_("scheduled by"), max_length=200, blank=True)
    scheduled_digest = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("rule set")
        verbose_name_plural = _("rule sets")
        ordering = ["-version"]
        permissions = [("publish_ruleset", "Can publish rule set")]
        constraints = [
            models.CheckConstraint(
                name="rules_ruleset_state_known", condition=Q(state__in=RuleSetState.values)
            ),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="live"), name="rules_one_live_ruleset"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="draft"), name="rules_one_draft_ruleset"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="shadow"), name="rules_one_shadow_ruleset"
            ),
            models.CheckConstraint(
                name="rules_ruleset_frozen_once_published",
                condition=Q(state="draft", document__isnull=True, published_at__isnull=True)
                | Q(
                    ~Q(state="draft") & ~Q(published_by=""),
                    document__isnull=False,
                    published_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="rules_live_ruleset_is_approved",
                condition=~Q(state="live") | (~Q(approved_by="") & Q(live_at__isnull=False)),
            ),
        ]
        triggers = [triggers.RULESET_FROZEN, triggers.RULESET_KEPT]

    def __str__(self) -> str:
        return f"v{self.version}"

    @property
    def is_editable(self) -> bool:
        """Whether rules may still be changed."""
        return bool(self.state == RuleSetState.DRAFT)

    @transition(field=state, source=RuleSetState.DRAFT, target=RuleSetState.LIVE)
    def mark_live(
        self, document: dict[str, object], *, actor: str, at: datetime, note: str
    ) -> None:
        """Freeze the document and put it in force."""
        self._freeze(document, actor=actor, at=at, note=note)
        self.approved_by, self.live_at = actor, at

    @transition(field=state, source=RuleSetState.DRAFT, target=RuleSetState.SHADOW)
    def mark_shadow(
        self, document: dict[str, object], *, actor: str, at: datetime, note: str
    ) -> None:
        """Freeze the document and let it watch."""
        self._freeze(document, actor=actor, at=at, note=note)

    @transition(field=state, source=RuleSetState.SHADOW, target=RuleSetState.LIVE)
    def mark_promoted(self, *, actor: str, at: datetime) -> None:
        """What watched is put in force."""
        self.approved_by, self.live_at = actor, at
        self._unschedule()

    @transition(
        field=state,
        source=[RuleSetState.LIVE, RuleSetState.SHADOW],
        target=RuleSetState.RETIRED,
    )
    def mark_retired(self, *, at: datetime) -> None:
        """Another version took over, or the shadow run ended."""
        self.retired_at = at
        self._unschedule()

    def _freeze(self, document: dict[str, object], *, actor: str, at: datetime, note: str) -> None:
        self.document = document
        self.published_by, self.published_at, self.note = actor, at, note
        self._unschedule()

    def _unschedule(self) -> None:
        self.publish_at, self.scheduled_by, self.scheduled_digest = None, "", ""


class Rule(models.Model):
    """One rule of one version. Written only through `rules.lifecycle`."""

    ruleset = models.ForeignKey(
        RuleSet, models.CASCADE, related_name="rules", verbose_name=_("rule set")
    )
    key = models.CharField(_("key"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    layer = models.CharField(_("layer"), max_length=20, choices=Layer.choices)
    priority = models.PositiveIntegerField(
        _("priority"), default=DEFAULT_PRIORITY, help_text=_("Lower numbers are asked first.")
    )
    on_missing = models.CharField(
        _("a condition on a missing value"),
        max_length=20,
        choices=OnMissing.choices,
        default=OnMissing.NO_MATCH,
    )
    status = models.CharField(
        _("status"), max_length=20, choices=RuleStatus.choices, default=RuleStatus.LIVE
    )
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
    )
    note = models.CharField(_("note"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["priority", "key"]
        constraints = [
            models.UniqueConstraint(fields=["ruleset", "key"], name="rules_rule_key_once"),
            models.CheckConstraint(name="rules_rule_layer_known", condition=Q(layer__in=LAYERS)),
            models.CheckConstraint(
                name="rules_rule_status_known", condition=Q(status__in=STATUSES)
            ),
            models.CheckConstraint(
                name="rules_rule_on_missing_known", condition=Q(on_missing__in=ON_MISSING)
            ),
            models.CheckConstraint(
                name="rules_rule_window_forward",
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_from__lt=F("valid_until")),
            ),
        ]
        triggers = [triggers.RULE_FROZEN]

    def __str__(self) -> str:
        return self.name


class ConditionRow(models.Model):
    """One condition; rows of one group are joined by AND, groups by OR."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="rows", verbose_name=_("rule"))
    group = models.PositiveSmallIntegerField(_("group"))
    position = models.PositiveSmallIntegerField(_("position"))
    fact = models.CharField(_("fact"), max_length=100)
    op = models.CharField(_("operator"), max_length=20)
    value = models.JSONField(_("value"), null=True, blank=True)

    class Meta:
        verbose_name = _("condition")
        verbose_name_plural = _("conditions")
        ordering = ["group", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "group", "position"], name="rules_row_place_once"
            ),
            models.CheckConstraint(
                name="rules_row_operator_known", condition=Q(op__in=sorted(OPERATORS))
            ),
        ]
        triggers = [triggers.frozen_with_its_rule("rules_row_frozen")]

    def __str__(self) -> str:
        return f"{self.fact} {self.op}"


class RuleAction(models.Model):
    """One thing a matching rule asks for."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="actions", verbose_name=_("rule"))
    position = models.PositiveSmallIntegerField(_("position"))
    do = models.CharField(_("action"), max_length=20)
    params = models.JSONField(_("parameters"), default=dict, blank=True)

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "position"], name="rules_action_place_once"),
            models.CheckConstraint(
                name="rules_action_known",
                condition=Q(do__in=["hold", "assign", "tag", "effect", "dispatch"]),
            ),
        ]
        triggers = [triggers.frozen_with_its_rule("rules_action_frozen")]

    def __str__(self) -> str:
        return self.do
