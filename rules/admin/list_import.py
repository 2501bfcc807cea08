"""Entries in by file or pasted lines: a preview of what changes, then all or nothing."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from changefeed.clock import database_now
from rules.admin import stash
from rules.admin.actors import actor_of
from rules.admin.list_undo import offer_undo
from rules.errors import DocumentInvalid, NotPossible
from rules.figures import number
from rules.lifecycle import take_list_entries
from rules.list_files import MAX_UNPACKED, Row, Unreadable, read_file, read_lines
from rules.list_import import Defaults, Preview, preview
from rules.models import ReferenceList

SHOWN = 200
"""Entries of each kind that a preview shows; the counts are of all."""
CHANGE = "list-import"


class ImportForm(forms.Form):
    """A file or pasted lines, and what holds for all of them."""

    list = forms.ModelChoiceField(
        ReferenceList.objects.all(),
        required=False,
        label=gettext_lazy("list"),
        empty_label=gettext_lazy("as the column “list” says"),
    )
    file = forms.FileField(required=False, label=gettext_lazy("or choose a CSV or XLSX file"))
    lines = forms.CharField(
        required=False, label=gettext_lazy("paste lines"), widget=forms.Textarea, strip=False
    )
    reason = forms.CharField(required=False, max_length=500, label=gettext_lazy("reason"))
    expires_on = forms.DateField(required=False, label=gettext_lazy("expires at"))
    expires_time = forms.TimeField(required=False, label=gettext_lazy("time of day"))
    replace = forms.BooleanField(required=False, label=gettext_lazy("Replace the whole list"))

    def clean(self) -> dict[str, Any]:
        """The rows, read; a file comes before pasted lines, and a day begins at midnight."""
        data: dict[str, Any] = super().clean() or {}
        day, hour = data.get("expires_on"), data.get("expires_time")
        zone = ZoneInfo(settings.SHOP_TIME_ZONE)
        data["expires_at"] = datetime.combine(day, hour or time.min, zone) if day else None
        if hour is not None and day is None:
            self.add_error("expires_on", _("Choose the day as well."))
        upload = data.get("file")
        try:
            if upload is not None:
                data["rows"] = read_file(upload.read(MAX_UNPACKED + 1))
            elif data.get("lines", "").strip():
                data["rows"] = read_lines(data["lines"])
            else:
                self.add_error(None, _("Choose a file or paste some lines."))
        except Unreadable as error:
            self.add_error("file" if upload is not None else "lines", str(error))
        return data


class ListImport(ModelAdmin):
    """The pages of an import; entries change by one act, once confirmed."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        confirm = view(require_POST(self.confirm_view))
        return [
            path("import/", view(self.import_view), name="rules_listentry_import"),
            path("process_import/", confirm, name="rules_listentry_process_import"),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """The form; once sent, what it would do, with the mistakes row by row."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            form = ImportForm(initial={"list": request.GET.get("list")})
            return self._page(request, {"form": form})
        form = ImportForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._page(request, {"form": form})
        data = form.cleaned_data
        if data["replace"] and not self.has_delete_permission(request):
            raise PermissionDenied
        found = self._preview(data["rows"], data)
        context = {"form": form, "preview": _shown(found), "replace": data["replace"]}
        if not found.errors and found.does_anything:
            context["token"] = stash.put(
                request.user,
                CHANGE,
                found.wanted,
                replace=data["replace"],
                expected=found.expected,
            )
        return self._page(request, context)

    def confirm_view(self, request: HttpRequest) -> HttpResponse:
        """What was previewed, all or nothing; pressing twice does it once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept = stash.get(request.user, CHANGE, request.POST.get("token", ""))
        if kept is None:
            messages.error(request, _("The preview is too old. Choose the file again."))
            return redirect("admin:rules_listentry_import")
        wanted, more = kept
        if more["replace"] and not self.has_delete_permission(request):
            raise PermissionDenied
        try:
            taken = take_list_entries(
                wanted, actor_of(request), replace=more["replace"], expected=more["expected"]
            )
        except (NotPossible, DocumentInvalid) as error:
            messages.error(request, str(error))
            return redirect(_page_of(list(wanted)))
        removed = sum(len(entries) for entries in taken.removed.values())
        messages.success(
            request,
            _("Taken: %(added)s new, %(changed)s changed, %(removed)s removed.")
            % {
                "added": number(taken.added),
                "changed": number(taken.changed),
                "removed": number(removed),
            },
        )
        if removed:
            offer_undo(request, taken.removed)
        return redirect(_page_of(list(wanted)))

    def _preview(self, rows: list[Row], data: dict[str, Any]) -> Preview:
        defaults = Defaults(data["list"], data["reason"].strip(), data["expires_at"])
        return preview(rows, defaults, replace=data["replace"])

    def _page(self, request: HttpRequest, more: dict[str, Any]) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": _("Import entries"),
            "content_title": _("Import entries"),
            "may_replace": self.has_delete_permission(request),
        }
        return TemplateResponse(request, "admin/rules/list_import.html", context | more)


def _page_of(keys: list[str]) -> str:
    """The page of the one list that was meant, else the list of lists."""
    if len(keys) == 1:
        pk = ReferenceList.objects.filter(key=keys[0]).values_list("pk", flat=True).first()
        if pk is not None:
            return reverse("admin:rules_referencelist_change", args=[pk])
    return reverse("admin:rules_referencelist_changelist")


def _shown(found: Preview) -> dict[str, Any]:
    """The preview cut to what a page can hold."""
    return {
        "errors": found.errors[:SHOWN],
        "more_errors": max(0, len(found.errors) - SHOWN),
        "error_count": ngettext(
            "%(count)s mistake; nothing is imported.",
            "%(count)s mistakes; nothing is imported.",
            len(found.errors),
        )
        % {"count": number(len(found.errors))},
        "does_anything": found.does_anything,
        "lists": [
            {
                "list": found.lists[key],
                "change": change,
                "added": change.added[:SHOWN],
                "changed": change.changed[:SHOWN],
                "removed": change.removed[:SHOWN],
                "is_cut": max(map(len, (change.added, change.changed, change.removed))) > SHOWN,
            }
            for key, change in found.changes.items()
        ],
        "limit": SHOWN,
        "now": database_now(),
    }
