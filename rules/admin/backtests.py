"""Backtests in the admin: who asked for what, how far it is, and what came out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from rules.admin.actors import actor_of
from rules.admin.backtest_form import BacktestForm, Offer
from rules.admin.backtest_page import days_of, progress_of, shown_result, versions_of
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import backtests
from rules.models import BacktestRun, BacktestState

STATE_COLOURS = dict.fromkeys(BacktestState.values, "default") | {"running": "info"}


@admin.register(BacktestRun)
class BacktestRunAdmin(ModelAdmin):
    """Started, cancelled and looked at; never edited, and kept as they are."""

    list_display = ("name", "period", "state_badge", "progress", "who", "requested_at")
    list_display_links = ("name",)
    list_filter = ("state",)
    search_fields = ("title", "requested_by")
    ordering = ("-requested_at", "-id")
    list_per_page = 50
    actions = None

    @display(description=gettext_lazy("backtest"))
    def name(self, run: BacktestRun) -> str:
        return f"{versions_of(run)} · {run.title}" if run.title else versions_of(run)

    @display(description=gettext_lazy("period"))
    def period(self, run: BacktestRun) -> str:
        return days_of(run)

    @display(description=gettext_lazy("state"), ordering="state", label=STATE_COLOURS)
    def state_badge(self, run: BacktestRun) -> tuple[str, str]:
        return run.state, str(BacktestState(run.state).label)

    @display(description=gettext_lazy("decisions"))
    def progress(self, run: BacktestRun) -> str:
        return progress_of(run)["text"]

    @display(description=gettext_lazy("requested by"), ordering="requested_by")
    def who(self, run: BacktestRun) -> str:
        return run.requested_by.removeprefix("user:")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BacktestRun]:
        found: QuerySet[BacktestRun] = super().get_queryset(request)
        return found.defer("document", "result")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: BacktestRun | None = None) -> bool:
        return request.user.has_perm("rules.view_ruleset")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("rules.change_ruleset")

    def has_change_permission(self, request: HttpRequest, obj: BacktestRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: BacktestRun | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/progress/",
                view(self.progress_view),
                name="rules_backtestrun_progress",
            ),
            path(
                "<int:pk>/cancel/",
                view(require_POST(self.cancel_view)),
                name="rules_backtestrun_cancel",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; before the first backtest, a page that says what one is."""
        if BacktestRun.objects.exists():
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, "backtest_empty.html", {"title": _("Backtests")})

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Choose the rules and the period, and start."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else None
        offer = Offer.of((given or request.GET).get("version"))
        form = BacktestForm(given, offer, (given or request.GET).get("rule", ""))
        if given is not None and form.is_valid() and offer.tried is not None:
            run = self._start(request, form, offer.tried.version)
            if run is not None:
                return redirect("admin:rules_backtestrun_change", run.pk)
        rule_key = request.GET.get("rule", "")
        context = {
            "title": _("Start a backtest"),
            "form": form,
            "offer": offer,
            "rule_key": rule_key,
            "has_nothing_to_move": rule_key and not form.initial["sweep"],
        }
        return self._page(request, "backtest_start.html", context)

    def _start(self, request: HttpRequest, form: BacktestForm, version: int) -> BacktestRun | None:
        """The backtest; None with the reasons on the form when it is refused."""
        try:
            return backtests.request_backtest(
                actor_of(request), version=version, **form.arguments()
            )
        except NotPossible as error:
            form.add_error(None, str(error))
        except DocumentInvalid as error:
            for mistake in error.errors:
                place = mistake.path.partition(".")[0].partition("[")[0]
                known = {"since": "period", "until": "period", "base": "base", "sweep": "values"}
                text = mistake.message
                if place == "rules":
                    text = f"{mistake.path}: {text}"
                form.add_error(known.get(place), text)
        return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How far it is, then what came out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        number = int(object_id) if object_id.isascii() and object_id.isdigit() else 0
        run = get_object_or_404(BacktestRun, pk=number)
        context = {
            "title": _("Backtest %(versions)s") % {"versions": versions_of(run)},
            "original": run,
            "run": run,
            "versions": versions_of(run),
            "progress": progress_of(run),
            "state_label": BacktestState(run.state).label,
            "may_cancel": self._may_cancel(request, run),
            "may_start": self.has_add_permission(request),
            "shown": shown_result(run) if run.result else None,
        }
        return self._page(request, "backtest_page.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far it is, for the page that waits."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(BacktestRun.objects.defer("document", "result"), pk=pk)
        return JsonResponse(progress_of(run))

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop it; for who asked, and for those who publish."""
        run = get_object_or_404(BacktestRun.objects.defer("document", "result"), pk=pk)
        if not self._may_cancel(request, run):
            raise PermissionDenied
        try:
            backtests.cancel_backtest(pk)
        except NotPossible as error:
            messages.error(request, str(error))
        return redirect("admin:rules_backtestrun_change", pk)

    def _may_cancel(self, request: HttpRequest, run: BacktestRun) -> bool:
        if not self.has_view_permission(request):
            return False
        mine = run.requested_by == actor_of(request)
        return mine or request.user.has_perm("rules.publish_ruleset")

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        shared = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "may_start": self.has_add_permission(request),
        }
        return TemplateResponse(request, f"admin/rules/{name}", shared | context)
