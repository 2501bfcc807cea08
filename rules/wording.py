"""The words for slots, risks and actions, shared by sentences, forms and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SLOT_LABELS: dict[str, StrOrPromise] = {
    "warehouse": _("warehouse"),
    "packaging": _("packaging"),
    "courier": _("courier"),
    "print_priority": _("print priority"),
    "lane": _("lane"),
}
RISK_LABELS: dict[str, StrOrPromise] = {
    "low": _("low risk"),
    "medium": _("medium risk"),
    "high": _("high risk"),
}
ACTION_LABELS: dict[str, StrOrPromise] = {
    "hold": _("Hold the order"),
    "assign": _("Assign"),
    "tag": _("Add a tag"),
    "effect": _("Do once"),
    "dispatch": _("Push to logistics"),
}
LAYER_HINTS: dict[str, StrOrPromise] = {
    "intercept": _("The first match holds the order, and every lower layer stops."),
    "allocate": _("For each slot, the first match decides."),
    "tag": _("All matches are collected."),
    "dispatch": _("Done exactly once."),
}
