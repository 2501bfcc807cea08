"""Reference lists and their entries in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from changefeed.clock import database_now
from rules.admin.actors import actor_of
from rules.admin.list_export import export_view
from rules.admin.list_import import ListImport
from rules.admin.list_page import EXPIRY, by_expiry, expiry_badge, page_of, with_counts
from rules.admin.list_undo import offer_undo, undo_view
from rules.figures import NOTHING, ago, number
from rules.lifecycle import (
    NewEntry,
    add_list_entries,
    change_list_entry,
    create_list,
    remove_list_entries,
)
from rules.lifecycle.lists import MAX_LENGTH
from rules.models import ListEntry, ReferenceList
from rules.models.lists import ListKind
from rules.normalization import skeleton


@admin.register(ReferenceList)
class ReferenceListAdmin(ModelAdmin):
    """Lists are never deleted, since published rules may name them."""

    list_display = (
        *("name_and_key", "kind_badge", "active_count", "soon_count", "expired_count"),
        *("used_by_rules", "version", "changed"),
    )
    list_display_links = ("name_and_key",)
    list_filter = ("kind",)
    search_fields = ("key", "name")
    actions = None
    fields = ("name", "key", "kind")

    class Media:
        css = {"all": ("css/rule_form.css", "css/rule_measures.css")}

    @display(description=gettext_lazy("list"), ordering="name")
    def name_and_key(self, reference_list: ReferenceList) -> str:
        return format_html(
            '<strong>{}</strong> <span class="rf-key">{}</span>',
            reference_list.name,
            reference_list.key,
        )

    @display(description=gettext_lazy("kind"), ordering="kind", label=True)
    def kind_badge(self, reference_list: ReferenceList) -> str:
        return str(ListKind(reference_list.kind).label)

    @display(description=gettext_lazy("entries in force"), ordering="active")
    def active_count(self, reference_list: Any) -> str:
        return number(reference_list.active)

    @display(description=gettext_lazy("expire soon"), ordering="soon")
    def soon_count(self, reference_list: Any) -> str:
        return number(reference_list.soon) if reference_list.soon else NOTHING

    @display(description=gettext_lazy("expired"), ordering="expired")
    def expired_count(self, reference_list: Any) -> str:
        return number(reference_list.expired) if reference_list.expired else NOTHING

    @display(description=gettext_lazy("used by rules"), ordering="used_by")
    def used_by_rules(self, reference_list: Any) -> str:
        return number(reference_list.used_by) if reference_list.used_by else NOTHING

    @display(description=gettext_lazy("changed at"), ordering="changed_at")
    def changed(self, reference_list: Any) -> str:
        return ago(reference_list.changed_at, reference_list.now)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReferenceList]:
        found: QuerySet[ReferenceList] = super().get_queryset(request)
        return with_counts(found, database_now())

    def has_change_permission(self, request: HttpRequest, obj: ReferenceList | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ReferenceList | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The list with its entries; they are added by file or lines, and removed here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        pk = int(object_id) if object_id.isascii() and object_id.isdigit() else 0
        found = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method != "GET":
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": found.name,
            "opts": self.opts,
            "original": found,
            "kind": ListKind(found.kind).label,
            "may_add": request.user.has_perm("rules.add_listentry"),
            "may_change": request.user.has_perm("rules.change_listentry"),
            "may_delete": request.user.has_perm("rules.delete_listentry"),
        }
        return TemplateResponse(
            request, "admin/rules/list_page.html", context | page_of(found, request)
        )

    def save_model(self, request: HttpRequest, obj: ReferenceList, form: Any, change: bool) -> None:
        made = create_list(obj.key, obj.name, actor_of(request), obj.kind)
        obj.pk = made.pk

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().get_form(request, *args, **kwargs | {"form": ReferenceListForm})


class ReferenceListForm(forms.ModelForm):
    """A new list."""

    class Meta:
        model = ReferenceList
        fields = ("name", "key", "kind")

    def clean_key(self) -> str:
        """Keys are written in lower case in every rule."""
        return str(self.cleaned_data["key"]).lower()


class ListEntryForm(forms.ModelForm):
    """One entry; a value already on the list is refused, however it is spelt."""

    class Meta:
        model = ListEntry
        fields = ("list", "value", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        found, value = data.get("list"), data.get("value")
        if self.instance.pk is None and found is not None and value is not None:
            skel = skeleton(value)
            if not skel or len(skel) > MAX_LENGTH:
                self.add_error("value", _("This value cannot be put on a list."))
            elif same := ListEntry.objects.filter(list=found, skeleton=skel).first():
                self.add_error(
                    "value", _("Already on the list as “%(value)s”.") % {"value": same.value}
                )
        return data


class ExpiryFilter(admin.SimpleListFilter):
    """Entries in force, soon to expire, or expired."""

    title = gettext_lazy("expiry")
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The states of an entry."""
        return list(EXPIRY.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[ListEntry]) -> QuerySet[ListEntry]:
        """The entries in the chosen state."""
        value = self.value()
        return queryset.filter(by_expiry(value, database_now())) if value in EXPIRY else queryset


@admin.register(ListEntry)
class ListEntryAdmin(ListImport):
    """Entries of all lists; found by any spelling, and moved in and out by file."""

    form = ListEntryForm
    list_display = ("value", "list", "reason", "expires", "added_by", "added_at")
    list_filter = (ExpiryFilter, "list")
    list_select_related = ("list",)
    list_before_template = "admin/rules/entry_links.html"
    search_fields = ("value", "skeleton", "reason")
    fields = ("list", "value", "reason", "expires_at")
    list_per_page = 100

    class Media:
        css = {"all": ("css/rule_measures.css",)}

    @display(description=gettext_lazy("expires at"), ordering="expires_at")
    def expires(self, entry: Any) -> str:
        return expiry_badge(entry.expires_at, entry.now)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ListEntry]:
        found: QuerySet[ListEntry] = super().get_queryset(request)
        return found.annotate(now=Now())

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(export_view(self)), name="rules_listentry_export"),
            path("undo/", view(require_POST(undo_view)), name="rules_listentry_undo"),
            path("remove/", view(require_POST(self.remove_view)), name="rules_listentry_remove"),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ListEntry], search_term: str
    ) -> tuple[QuerySet[ListEntry], bool]:
        return super().get_search_results(request, queryset, skeleton(search_term) or search_term)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ListEntry | None = None
    ) -> tuple[str, ...]:
        return ("list", "value") if obj else ()

    def remove_view(self, request: HttpRequest) -> HttpResponse:
        """Take the chosen entries off their lists; the way back stands in the message."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        chosen = [int(pk) for pk in request.POST.getlist("entry") if pk.isascii() and pk.isdigit()]
        if not chosen:
            messages.warning(request, _("Choose the entries first."))
        self._remove(request, ListEntry.objects.filter(pk__in=chosen))
        back = request.POST.get("list", "")
        if back.isascii() and back.isdigit():
            return redirect(reverse("admin:rules_referencelist_change", args=[int(back)]))
        return redirect("admin:rules_listentry_changelist")

    def save_model(self, request: HttpRequest, obj: ListEntry, form: Any, change: bool) -> None:
        actor = actor_of(request)
        if change:
            change_list_entry(obj, actor, reason=obj.reason, expires_at=obj.expires_at)
            return
        add_list_entries(obj.list, [NewEntry(obj.value, obj.reason, obj.expires_at)], actor)
        stored = ListEntry.objects.get(list=obj.list, skeleton=skeleton(obj.value))
        obj.pk, obj.value = stored.pk, stored.value

    def delete_model(self, request: HttpRequest, obj: ListEntry) -> None:
        self._remove(request, ListEntry.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ListEntry]) -> None:
        self._remove(request, queryset)

    def _remove(self, request: HttpRequest, queryset: QuerySet[ListEntry]) -> None:
        """Remove entries, list by list, and offer to put them back."""
        by_list: dict[ReferenceList, list[ListEntry]] = {}
        for entry in queryset.order_by("list_id").select_related("list"):
            by_list.setdefault(entry.list, []).append(entry)
        for reference_list, entries in by_list.items():
            remove_list_entries(reference_list, [each.pk for each in entries], actor_of(request))
        if by_list:
            removed = {
                reference_list.key: [
                    NewEntry(each.value, each.reason, each.expires_at) for each in entries
                ]
                for reference_list, entries in by_list.items()
            }
            offer_undo(request, removed)
