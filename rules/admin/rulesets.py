"""The versions of the rule set: what each says, and the acts on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from rules.admin.actors import actor_of
from rules.admin.rule_list import spoken
from rules.document import LAYERS
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle import discard_draft, known_lists, open_draft, publish, rollback_to
from rules.models import Rule, RuleSet, RuleSetState
from rules.models.rulesets import Layer
from rules.parsing import parse_document
from rules.storage import ruleset_as_json
from rules.wording import LAYER_HINTS

STATE_COLOURS = {"live": "success", "draft": "info", "retired": "default"}


@admin.register(RuleSet)
class RuleSetAdmin(ModelAdmin):
    """Versions are made and moved by acts, never by editing their fields."""

    list_display = (
        "version_name",
        "state_badge",
        "rule_count",
        "note",
        "published_by",
        "published_at",
    )
    list_display_links = ("version_name",)
    list_filter = ("state",)
    ordering = ("-version",)
    actions = None

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
        def act(name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            guarded = self.admin_site.admin_view(require_POST(view))
            return path(f"<int:pk>/{name}/", guarded, name=f"rules_ruleset_{name}")

        return [
            act("draft", self.draft_view),
            act("publish", self.publish_view),
            act("rollback", self.rollback_view),
            act("discard", self.discard_view),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The rules of a version as sentences, in the order in which they are asked."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        number = int(object_id) if object_id.isascii() and object_id.isdigit() else 0
        ruleset = get_object_or_404(RuleSet, pk=number)
        live = RuleSet.objects.filter(state=RuleSetState.LIVE).first()
        draft = RuleSet.objects.filter(state=RuleSetState.DRAFT).first()
        context = self.admin_site.each_context(request) | {
            "title": _("Version %(version)d") % {"version": ruleset.version},
            "opts": self.opts,
            "original": ruleset,
            "ruleset": ruleset,
            "state_label": RuleSetState(ruleset.state).label,
            "layers": _layers(ruleset),
            "errors": _errors(ruleset) if ruleset.is_editable else (),
            "live": live,
            "draft": draft,
            "is_behind": ruleset.is_editable and live and live.version != ruleset.based_on,
            "may_edit": request.user.has_perm("rules.change_ruleset"),
            "may_add_rule": request.user.has_perm("rules.add_rule"),
            "may_publish": request.user.has_perm("rules.publish_ruleset"),
        }
        return TemplateResponse(request, "admin/rules/ruleset_page.html", context)

    def draft_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Edit this version as a draft."""
        return self._act(
            request, pk, "rules.change_ruleset", lambda r: open_draft(actor_of(request), r)
        )

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Throw the draft away."""
        return self._act(
            request, pk, "rules.change_ruleset", lambda r: discard_draft(r, actor_of(request))
        )

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put the draft in force."""
        note = request.POST.get("note", "").strip()[:500]
        return self._act(
            request, pk, "rules.publish_ruleset", lambda r: publish(r, actor_of(request), note)
        )

    def rollback_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put a retired version in force again."""
        note = request.POST.get("note", "").strip()[:500]
        return self._act(
            request, pk, "rules.publish_ruleset", lambda r: rollback_to(r, actor_of(request), note)
        )

    def _act(
        self,
        request: HttpRequest,
        pk: int,
        permission: str,
        act: Callable[[RuleSet], RuleSet | None],
    ) -> HttpResponse:
        """Do it, say how it went, and show the version that matters now."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        ruleset = get_object_or_404(RuleSet, pk=pk)
        try:
            result = act(ruleset)
        except NotPossible as error:
            messages.error(request, str(error))
            return _shown(ruleset)
        except DocumentInvalid as error:
            count = len(error.errors)
            messages.error(request, _("Errors to correct first: %(count)d.") % {"count": count})
            return _shown(ruleset)
        if result is None:
            messages.success(request, _("The draft was discarded."))
            return redirect("admin:rules_ruleset_changelist")
        if result.state == RuleSetState.LIVE:
            messages.success(
                request, _("Version %(version)d is live.") % {"version": result.version}
            )
        return _shown(result)


def _shown(ruleset: RuleSet) -> HttpResponse:
    return redirect(reverse("admin:rules_ruleset_change", args=[ruleset.pk]))


def _layers(ruleset: RuleSet) -> list[dict[str, Any]]:
    """The four layers from top to bottom, each with its rules in asked order."""
    rules: dict[str, list[Rule]] = {layer: [] for layer in LAYERS}
    found = ruleset.rules.prefetch_related("rows", "actions").order_by("priority", "key")
    for rule in found:
        rules[rule.layer].append(rule)
    return [
        {
            "key": layer,
            "label": Layer(layer).label,
            "hint": LAYER_HINTS[layer],
            "rules": [
                {"rule": rule, "sentence": spoken(rule), "acts": rule.status == "live"}
                for rule in rules[layer]
            ],
        }
        for layer in LAYERS
    ]


def _errors(ruleset: RuleSet) -> tuple[DocumentError, ...]:
    try:
        parse_document(ruleset_as_json(ruleset), catalogue, known_lists())
    except DocumentInvalid as error:
        return error.errors
    return ()
