"""The page on which a rule is written, and what it says for readers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from rules.admin.actors import actor_of
from rules.admin.rule_form import RuleEditor
from rules.admin.rule_guide import fact_choices, form_guide
from rules.admin.rule_list import RuleList
from rules.admin.rule_preview import preview_answer
from rules.admin.rule_reach import reach_of
from rules.admin.rule_saving import Clash, copy_of, free_key, spoken, store, version_at_work
from rules.document import STATUSES
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import delete_rule, open_draft, set_rule_status
from rules.models import Rule, RuleSetState
from rules.models.rulesets import RuleStatus
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
        def page(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("preview/", page(require_POST(self.preview_view)), name="rules_rule_preview"),
            path("choices/", page(require_GET(self.choices_view)), name="rules_rule_choices"),
            path(
                "<int:pk>/status/", page(require_POST(self.status_view)), name="rules_rule_status"
            ),
            *super().get_urls(),
        ]

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
        rule = self.get_queryset(request).filter(pk=_number(object_id)).first()
        was = request.POST.get("was", "")
        if was and self.has_change_permission(request) and not (rule and _is_editable(rule)):
            # Saved, deleted or published by others while this form was open.
            return self._edit(request, None, was)
        if rule is None:
            raise Http404
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        if self.has_change_permission(request, rule):
            return self._edit(request, rule)
        if request.method == "POST":
            raise PermissionDenied
        return self._page(request, rule)

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """The rule as it stands in the form: its sentence, what it meets, what it collides with."""
        self._must_edit(request)
        return JsonResponse(preview_answer(RuleEditor.bound(request.POST), version_at_work()))

    def choices_view(self, request: HttpRequest) -> JsonResponse:
        """The known values of one fact."""
        self._must_edit(request)
        answer = JsonResponse({"options": fact_choices(request.GET.get("fact", ""))})
        answer.headers["Cache-Control"] = "private, max-age=60"
        return answer

    def status_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give a rule another status in the draft; the page offers the way back."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        rule = get_object_or_404(Rule.objects.select_related("ruleset"), pk=pk)
        status, actor = request.POST.get("status", ""), actor_of(request)
        try:
            draft = rule.ruleset if _is_editable(rule) else open_draft(actor)
            before = draft.rules.filter(key=rule.key).values_list("status", flat=True).first()
            rule = set_rule_status(draft, rule.key, status, actor)
        except (NotPossible, DocumentInvalid) as error:
            messages.error(request, str(error))
            return redirect(reverse("admin:rules_rule_change", args=[pk]))
        address = reverse("admin:rules_rule_change", args=[rule.pk])
        undo = "" if "undo" in request.POST or before == rule.status else f"?undo={before}"
        return redirect(address + undo)

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        delete_rule(obj.ruleset, obj.key, actor_of(request))

    def _must_edit(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied

    def _page(self, request: HttpRequest, rule: Rule) -> HttpResponse:
        raw = rule_as_json(rule)
        context = self._context(request, rule.name, rule) | {
            "sentence": spoken(raw),
            "reach": reach_of(raw),
            "may_open_draft": request.user.has_perm("rules.change_ruleset"),
            "may_toggle": self.has_change_permission(request)
            and rule.ruleset.state == RuleSetState.LIVE,
        }
        return TemplateResponse(request, "admin/rules/rule_page.html", context)

    def _edit(self, request: HttpRequest, rule: Rule | None, was: str = "") -> HttpResponse:
        clash = None
        if request.method == "POST":
            editor = RuleEditor.bound(request.POST)
            saved = store(editor, actor_of(request), rule.key if rule else was)
            if isinstance(saved, Rule):
                return self._saved(request, saved)
            clash = saved
        else:
            editor = self._opened(request, rule)
        title = rule.name if rule else _("Add rule")
        context = self._context(request, title, rule) | {
            "editor": editor,
            "clash": clash,
            "clash_url": _address(clash),
            "is_gone": clash is not None and clash.theirs is None,
            "guide": form_guide(rule.ruleset if rule else version_at_work()),
            "layer_hint": LAYER_HINTS.get(str(editor.form["layer"].value()), ""),
            "sentence": spoken(rule_as_json(rule)) if rule else "",
        }
        return TemplateResponse(request, "admin/rules/rule_form.html", context)

    def _opened(self, request: HttpRequest, rule: Rule | None) -> RuleEditor:
        """The form of a stored rule, of the copy of one, or a new one."""
        if rule is not None:
            return RuleEditor.showing(rule_as_json(rule), rule.note)
        ruleset = version_at_work()
        taken = set(Rule.objects.filter(ruleset=ruleset).values_list("key", flat=True))
        source = Rule.objects.filter(pk=_number(request.GET.get("copy", ""))).first()
        if source is not None:
            return RuleEditor.showing(copy_of(source, taken), is_stored=False)
        return RuleEditor.showing({"key": free_key("rule", taken)}, is_stored=False)

    def _saved(self, request: HttpRequest, saved: Rule) -> HttpResponse:
        messages.success(request, _("Saved in the draft; nothing is live until published."))
        if "_continue" in request.POST:
            return redirect(reverse("admin:rules_rule_change", args=[saved.pk]))
        rules = reverse("admin:rules_rule_changelist")
        return redirect(f"{rules}?ruleset__id__exact={saved.ruleset_id}")

    def _context(self, request: HttpRequest, title: str, rule: Rule | None) -> dict[str, Any]:
        undo = request.GET.get("undo", "")
        return self.admin_site.each_context(request) | {
            "title": title,
            "opts": self.opts,
            "original": rule or title,
            "rule": rule,
            "ruleset": rule.ruleset if rule else None,
            "undo": undo if undo in STATUSES and rule and rule.status != undo else "",
            "other_status": _other_status(rule),
            "may_delete": rule is not None and self.has_delete_permission(request, rule),
            "may_add": self.has_add_permission(request),
        }


def _other_status(rule: Rule | None) -> str:
    """What one press makes of the rule: a live one is disabled, any other made live."""
    if rule is None:
        return ""
    return RuleStatus.DISABLED if rule.status == RuleStatus.LIVE else RuleStatus.LIVE


def _address(clash: Clash | None) -> str:
    if clash is None or clash.theirs is None:
        return ""
    return reverse("admin:rules_rule_change", args=[clash.theirs.pk])


def _is_editable(rule: Rule | None) -> bool:
    return rule is None or rule.ruleset.is_editable


def _number(object_id: str) -> int:
    return int(object_id) if object_id.isascii() and object_id.isdigit() else 0
