"""Snoozes on the desk: which rules are asleep for whom, who put them to sleep, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from changefeed.clock import database_now
from rules.admin.actors import actor_of
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import end_snooze, snooze_rule
from rules.models import Rule, RuleSetState, RuleSnooze

DAYS = (7, 30, 90)


class SnoozeForm(forms.Form):
    """Which rule, for whom, how long and why; the acts say whether it can be."""

    rule_key = forms.ChoiceField(label=gettext_lazy("rule"))
    customer = forms.CharField(label=gettext_lazy("customer number"), max_length=128)
    days = forms.TypedChoiceField(label=gettext_lazy("for how long"), coerce=int, initial=30)
    until = forms.DateTimeField(label=gettext_lazy("or until"), required=False)
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rule_key"].choices = _live_rules()  # type: ignore[attr-defined]
        self.fields["days"].choices = [  # type: ignore[attr-defined]
            (days, ngettext("%(days)d day", "%(days)d days", days) % {"days": days})
            for days in DAYS
        ]


@admin.register(RuleSnooze)
class RuleSnoozeAdmin(ModelAdmin):
    """Made and ended by acts; what is over stays for the record."""

    list_display = (
        "rule_key",
        "customer",
        "state_badge",
        "until",
        "reason",
        "created_by",
        "created_at",
        "ending",
    )
    list_display_links = None
    search_fields = ("rule_key", "customer", "reason")
    search_help_text = gettext_lazy("Rule key, customer number or reason")
    actions = None
    list_per_page = 50
    sortable_by = ()

    class Media:
        css = {"all": ("css/ruleset.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleSnooze]:
        """Active ones first, newest first."""
        active = Q(ended_at__isnull=True, until__gt=Now())
        found: QuerySet[RuleSnooze] = super().get_queryset(request)
        return found.annotate(
            is_active=Case(
                When(active, then=Value(True)), default=Value(False), output_field=BooleanField()
            )
        ).order_by("-is_active", "-created_at", "-id")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ()

    @display(description=gettext_lazy("state"), label={"active": "info", "over": "default"})
    def state_badge(self, snooze: Any) -> tuple[str, str]:
        return ("active", _("asleep")) if snooze.is_active else ("over", pgettext("snooze", "over"))

    @display(description="")
    def ending(self, snooze: Any) -> str:
        if snooze.ended_by and not snooze.is_active:
            return _("ended by %(who)s") % {"who": snooze.ended_by}
        if not snooze.is_active:
            return ""
        # The list stands in a form of its own; its token serves this button too.
        return format_html(
            '<button type="submit" class="desk-button" formaction="{}">{}</button>',
            reverse("admin:rules_rulesnooze_end", args=[snooze.pk]),
            _("End now"),
        )

    def has_change_permission(self, request: HttpRequest, obj: RuleSnooze | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RuleSnooze | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        end = self.admin_site.admin_view(require_POST(self.end_view))
        return [path("<int:pk>/end/", end, name="rules_rulesnooze_end"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page on which a rule is put to sleep; rule and customer may be given ahead."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SnoozeForm(request.POST or None, initial=_given(request))
        if request.method == "POST" and form.is_valid() and self._snooze(request, form):
            return redirect("admin:rules_rulesnooze_changelist")
        context = self.admin_site.each_context(request) | {
            "title": _("Snooze a rule for a customer"),
            "opts": self.opts,
            "form": form,
            "zone": settings.SHOP_TIME_ZONE,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "admin/rules/snooze_page.html", context, status=status)

    def end_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Wake the rule for the customer."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        snooze = get_object_or_404(RuleSnooze, pk=pk)
        try:
            end_snooze(snooze, actor_of(request))
        except NotPossible as error:
            messages.error(request, str(error))
        else:
            text = _("The rule “%(key)s” holds for %(customer)s again.")
            told = {"key": snooze.rule_key, "customer": snooze.customer}
            messages.success(request, text % told)
        return redirect("admin:rules_rulesnooze_changelist")

    def _snooze(self, request: HttpRequest, form: SnoozeForm) -> bool:
        data = form.cleaned_data
        until = data["until"] or database_now() + timedelta(days=data["days"])
        try:
            made = snooze_rule(
                data["rule_key"], data["customer"], until, data["reason"], actor_of(request)
            )
        except NotPossible as error:
            form.add_error(None, str(error))
            return False
        except DocumentInvalid as error:
            for mistake in error.errors:
                form.add_error(
                    mistake.path if mistake.path in form.fields else None, mistake.message
                )
            return False
        zone = ZoneInfo(settings.SHOP_TIME_ZONE)
        text = _("The rule “%(key)s” is asleep for %(customer)s until %(until)s.")
        told = {
            "key": made.rule_key,
            "customer": made.customer,
            "until": f"{made.until.astimezone(zone):%Y-%m-%d %H:%M}",
        }
        messages.success(request, text % told)
        return True


def _given(request: HttpRequest) -> dict[str, Any]:
    return {"rule_key": request.GET.get("rule", ""), "customer": request.GET.get("customer", "")}


def _live_rules() -> list[tuple[str, str]]:
    """Rules that can be put to sleep, by layer and priority."""
    states = (RuleSetState.LIVE, RuleSetState.SHADOW)
    found = Rule.objects.filter(ruleset__state__in=states).order_by("layer", "priority", "key")
    return list({rule.key: f"{rule.name} ({rule.key})" for rule in found}.items())
