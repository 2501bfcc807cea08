"""Reference lists: what people used to compare by hand, named by rules."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ListKind(models.TextChoices):
    """What a list is for; shown as a badge, and nothing depends on it."""

    BLOCKLIST = "blocklist", _("Blocklist")
    ALLOWLIST = "allowlist", _("Allowlist")
    EMBARGO = "embargo", _("Embargo")
    LIMIT = "limit", _("Regional limit")
    PRESALE = "presale", _("Presale")
    EMPLOYEE = "employee", _("Employees")
    OTHER = "other", _("Other")


class ReferenceList(models.Model):
    """A list that rules name by its key.

    `version` rises with every change of its entries. Written only through `rules.lifecycle`.
    """

    key = models.SlugField(_("key"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(
        _("kind"), max_length=20, choices=ListKind.choices, default=ListKind.OTHER
    )
    version = models.PositiveIntegerField(_("version"), default=0)
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())

    class Meta:
        verbose_name = _("list")
        verbose_name_plural = _("lists")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="rules_list_kind_known", condition=Q(kind__in=ListKind.values)
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"


class ListEntry(models.Model):
    """One value of a list; found however it is spelt, through its skeleton."""

    list = models.ForeignKey(
        ReferenceList, models.CASCADE, related_name="entries", verbose_name=_("list")
    )
    value = models.CharField(_("value"), max_length=500)
    skeleton = models.CharField(_("skeleton"), max_length=500, editable=False)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    added_by = models.CharField(_("added by"), max_length=200)
    added_at = models.DateTimeField(_("added at"), auto_now_add=True)

    class Meta:
        verbose_name = _("list entry")
        verbose_name_plural = _("list entries")
        ordering = ["value"]
        constraints = [
            models.UniqueConstraint(fields=["list", "skeleton"], name="rules_entry_once"),
            models.CheckConstraint(name="rules_entry_has_skeleton", condition=~Q(skeleton="")),
        ]

    def __str__(self) -> str:
        return self.value
