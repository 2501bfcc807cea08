"""The versions of the rule set: the list, and the page on which one is read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from rules import fraud
from rules.admin.actors import actor_of
from rules.admin.fraud_switch import fraud_page, switch_of
from rules.admin.publishing import publish_page
from rules.admin.ruleset_acts import PUBLISH, RuleSetActs
from rules.admin.ruleset_changes import shown_difference
from rules.admin.ruleset_layers import layers_of, mistakes_in
from rules.admin.ruleset_life import (
    compared_with,
    life_of,
    shadow_report,
    shadow_rule_reports,
    versions_to_compare,
)
from rules.lifecycle.approval import may_approve
from rules.models import RuleSet, RuleSetState
from rules.scheduling import last_dropped

STATE_COLOURS = {"live": "success", "draft": "info", "shadow": "info", "retired": "default"}


@admin.register(RuleSet)
class RuleSetAdmin(RuleSetActs, ModelAdmin):
    """Versions are made and moved by acts, never by editing their fields."""

    list_display = (
        "version_name",
        "state_badge",
        "rule_count",
        "note",
        "published_by",
        "live_at",
        "publish_at",
    )
    list_display_links = ("version_name",)
    list_filter = ("state",)
    ordering = ("-version",)
    actions = None
    list_before_template = "admin/rules/_fraud_switch.html"

    class Media:
        css = {"all": ("css/ruleset.css",)}

    @display(description=gettext_lazy("version"), ordering="version")
    def version_name(self, ruleset: RuleSet) -> str:
        return str(ruleset)

    @display(description=gettext_lazy("state"), ordering="state", label=STATE_COLOURS)
    def state_badge(self, ruleset: RuleSet) -> tuple[str, str]:
        return ruleset.state, str(RuleSetState(ruleset.state).label)

    @display(description=gettext_lazy("rules"))
    def rule_count(self, ruleset: Any) -> int:
        return int(ruleset.rule_count)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleSet]:
        found: QuerySet[RuleSet] = super().get_queryset(request)
        return found.defer("document").annotate(rule_count=Count("rules"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return request.user.has_perm("rules.view_ruleset")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("fraud/", view(self.fraud_view), name="rules_ruleset_fraud"),
            path("<int:pk>/publish/", view(self.publish_view), name="rules_ruleset_publish"),
            *self.act_urls(),
            *super().get_urls(),
        ]

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What publishing would do; sent, it is done."""
        if request.method == "POST":
            return self.publish(request, pk)
        return publish_page(self, request, pk)

    def fraud_view(self, request: HttpRequest) -> HttpResponse:
        """The anti-fraud switch, with what it would have done."""
        return fraud_page(self, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The versions, under the anti-fraud switch."""
        context = (extra_context or {}) | {"switch": switch_of(request)}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A version: its life, its rules as sentences in the order asked, and what it changed."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        number = int(object_id) if object_id.isascii() and object_id.isdigit() else 0
        ruleset = get_object_or_404(RuleSet, pk=number)
        live = RuleSet.objects.filter(state=RuleSetState.LIVE).first()
        other = compared_with(ruleset, request.GET.get("against", ""))
        may = request.user.has_perm
        context = self.admin_site.each_context(request) | {
            "title": _("Version %(version)d") % {"version": ruleset.version},
            "opts": self.opts,
            "original": ruleset,
            "ruleset": ruleset,
            "state_label": RuleSetState(ruleset.state).label,
            "life": life_of(ruleset),
            "dropped": last_dropped(ruleset),
            "layers": layers_of(ruleset),
            "errors": mistakes_in(ruleset) if ruleset.is_editable else (),
            "difference": shown_difference(other, ruleset),
            "others": versions_to_compare(ruleset),
            "shadow": shadow_report(ruleset),
            "shadow_rules": shadow_rule_reports(ruleset),
            "live": live,
            "draft": RuleSet.objects.filter(state=RuleSetState.DRAFT).first(),
            "is_behind": ruleset.is_editable and live and live.version != ruleset.based_on,
            "fraud_prefix": fraud.PREFIX,
            "may_edit": may("rules.change_ruleset"),
            "may_add_rule": may("rules.add_rule"),
            "may_arrange": ruleset.is_editable and may("rules.change_rule"),
            "may_publish": may(PUBLISH),
            "may_approve": may_approve(ruleset, actor_of(request)),
        }
        return TemplateResponse(request, "admin/rules/ruleset_page.html", context)
