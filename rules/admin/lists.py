"""Reference lists and their entries, one by one or by file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ImportExportMixin
from unfold.admin import ModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.decorators import display

from rules.admin.actors import actor_of
from rules.admin.transfer import FORMATS, ListEntryResource
from rules.lifecycle import (
    NewEntry,
    add_list_entries,
    change_list_entry,
    create_list,
    remove_list_entries,
    remove_list_entry,
)
from rules.lifecycle.lists import MAX_LENGTH
from rules.models import ListEntry, ReferenceList
from rules.models.lists import ListKind
from rules.normalization import skeleton


@admin.register(ReferenceList)
class ReferenceListAdmin(ModelAdmin):
    """Lists are never deleted, since published rules may name them."""

    list_display = ("name", "key", "kind_badge", "entry_count", "version", "changed_at")
    list_display_links = ("name",)
    list_filter = ("kind",)
    search_fields = ("key", "name")
    actions = None
    fields = ("name", "key", "kind")

    class Media:
        css = {"all": ("css/rule_form.css",)}

    @display(description=gettext_lazy("kind"), ordering="kind", label=True)
    def kind_badge(self, reference_list: ReferenceList) -> str:
        return str(ListKind(reference_list.kind).label)

    @display(description=gettext_lazy("entries"))
    def entry_count(self, reference_list: Any) -> str:
        return format_html(
            '<a class="rf-link" href="{}?list__id__exact={}">{}</a>',
            reverse("admin:rules_listentry_changelist"),
            reference_list.pk,
            reference_list.entry_count,
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReferenceList]:
        found: QuerySet[ReferenceList] = super().get_queryset(request)
        return found.annotate(entry_count=Count("entries"))

    def get_readonly_fields(
        self, request: HttpRequest, obj: ReferenceList | None = None
    ) -> tuple[str, ...]:
        return ("key", "kind", "name", "entry_count", "version", "changed_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: ReferenceList | None = None) -> tuple[str, ...]:
        extra = ("entry_count", "version", "changed_at") if obj else ()
        return (*self.fields, *extra)

    def has_change_permission(self, request: HttpRequest, obj: ReferenceList | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ReferenceList | None = None) -> bool:
        return False

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


@admin.register(ListEntry)
class ListEntryAdmin(ImportExportMixin, ModelAdmin):
    """Entries; found by any spelling, and moved in and out by file."""

    form = ListEntryForm
    resource_classes = (ListEntryResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = FORMATS
    # The feed records what is imported; the log would repeat every value.
    skip_admin_log = True
    list_display = ("value", "list", "reason", "expires_at", "added_by", "added_at")
    list_filter = ("list",)
    list_select_related = ("list",)
    search_fields = ("value", "skeleton", "reason")
    fields = ("list", "value", "reason", "expires_at")
    list_per_page = 100

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ListEntry], search_term: str
    ) -> tuple[QuerySet[ListEntry], bool]:
        return super().get_search_results(request, queryset, skeleton(search_term) or search_term)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ListEntry | None = None
    ) -> tuple[str, ...]:
        return ("list", "value") if obj else ()

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def save_model(self, request: HttpRequest, obj: ListEntry, form: Any, change: bool) -> None:
        actor = actor_of(request)
        if change:
            change_list_entry(obj, actor, reason=obj.reason, expires_at=obj.expires_at)
            return
        add_list_entries(obj.list, [NewEntry(obj.value, obj.reason, obj.expires_at)], actor)
        stored = ListEntry.objects.get(list=obj.list, skeleton=skeleton(obj.value))
        obj.pk, obj.value = stored.pk, stored.value

    def delete_model(self, request: HttpRequest, obj: ListEntry) -> None:
        remove_list_entry(obj, actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ListEntry]) -> None:
        by_list: dict[int, list[int]] = {}
        for list_id, entry_id in queryset.order_by().values_list("list_id", "pk"):
            by_list.setdefault(list_id, []).append(entry_id)
        for reference_list in ReferenceList.objects.filter(pk__in=by_list):
            remove_list_entries(reference_list, by_list[reference_list.pk], actor_of(request))
