"""The page on which a rule is written, and what it says for readers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from rules.admin.actors import actor_of
from rules.admin.rule_form import RuleEditor, form_guide
from rules.admin.rule_list import RuleList, spoken
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle import delete_rule, known_lists, open_draft, save_rule
from rules.models import Rule
from rules.parsing import parse_rule
from rules.sentences import sentence_for_rule
from rules.storage import rule_as_json
from rules.wording import LAYER_HINTS


@admin.register(Rule)
class RuleAdmin(RuleList):
    """Rules of one version; only those of the draft can be changed."""

    class Media:
        css = {"all": ("css/rule_form.css",)}

    def has_change_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_editable(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_editable(obj)

    def get_urls(self) -> list[URLPattern]:
        sentence = self.admin_site.admin_view(require_POST(self.sentence_view))
        return [path("sentence/", sentence, name="rules_rule_sentence"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A new rule for the draft, which is made from the live version if need be."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, or for a published version and for readers the rule in words."""
        rule = get_object_or_404(self.get_queryset(request), pk=_number(object_id))
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        if self.has_change_permission(request, rule):
            return self._edit(request, rule)
        if request.method == "POST":
            raise PermissionDenied
        context = self._context(request, rule.name, rule) | {
            "raw": rule_as_json(rule),
            "sentence": spoken(rule),
            "may_open_draft": request.user.has_perm("rules.change_ruleset"),
        }
        return TemplateResponse(request, "admin/rules/rule_page.html", context)

    def sentence_view(self, request: HttpRequest) -> JsonResponse:
        """The sentence of a rule as it stands in the form, and what is wrong with it."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        editor = RuleEditor.bound(request.POST)
        if not editor.is_valid():
            return JsonResponse({"sentence": "", "errors": []})
        try:
            rule = parse_rule(editor.document(), catalogue, known_lists())
        except DocumentInvalid as error:
            return JsonResponse({"sentence": "", "errors": [e.message for e in error.errors]})
        return JsonResponse({"sentence": sentence_for_rule(rule), "errors": []})

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        delete_rule(obj.ruleset, obj.key, actor_of(request))

    def _edit(self, request: HttpRequest, rule: Rule | None) -> HttpResponse:
        if request.method == "POST":
            editor = RuleEditor.bound(request.POST)
            saved = self._save(request, editor, rule)
            if saved is not None:
                messages.success(request, _("Saved in the draft; nothing is live until published."))
                again = "_continue" in request.POST
                return redirect(
                    reverse("admin:rules_rule_change", args=[saved.pk])
                    if again
                    else f"{reverse('admin:rules_rule_changelist')}"
                    f"?ruleset__id__exact={saved.ruleset_id}"
                )
        else:
            editor = RuleEditor.showing(rule_as_json(rule) if rule else None, _note(rule))
        title = rule.name if rule else _("Add rule")
        context = self._context(request, title, rule) | {
            "editor": editor,
            "guide": form_guide(),
            "layer_hints": {key: str(hint) for key, hint in LAYER_HINTS.items()},
            "sentence": spoken(rule) if rule else "",
        }
        return TemplateResponse(request, "admin/rules/rule_form.html", context)

    def _save(self, request: HttpRequest, editor: RuleEditor, rule: Rule | None) -> Rule | None:
        """The stored rule; None when the form must be shown again with its errors."""
        if not editor.is_valid():
            return None
        actor = actor_of(request)
        try:
            ruleset = open_draft(actor) if rule is None else rule.ruleset
            return save_rule(
                ruleset,
                editor.document(),
                actor,
                replaces=rule.key if rule else "",
                expected=editor.form.cleaned_data["seen"] if rule else "",
                note=editor.form.cleaned_data["note"],
            )
        except DocumentInvalid as error:
            editor.show_errors(error.errors)
        except NotPossible as error:
            editor.show_errors([DocumentError("", "not_possible", str(error))])
        return None

    def _context(self, request: HttpRequest, title: str, rule: Rule | None) -> dict[str, Any]:
        return self.admin_site.each_context(request) | {
            "title": title,
            "opts": self.opts,
            "original": rule or title,
            "rule": rule,
            "ruleset": rule.ruleset if rule else None,
            "may_delete": rule is not None and self.has_delete_permission(request, rule),
        }


def _is_editable(rule: Rule | None) -> bool:
    return rule is None or rule.ruleset.is_editable


def _note(rule: Rule | None) -> str:
    return rule.note if rule else ""


def _number(object_id: str) -> int:
    return int(object_id) if object_id.isascii() and object_id.isdigit() else 0
