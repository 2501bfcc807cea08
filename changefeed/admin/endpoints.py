"""Endpoints: whom we tell, whether they answer, how far they are behind."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery, URLField
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from changefeed import lifecycle
from changefeed.admin.base import actor_of
from changefeed.admin.endpoint_acts import EndpointActs, show_secret
from changefeed.admin.endpoint_form import EndpointForm
from changefeed.admin.endpoint_page import endpoint_context, preview_context
from changefeed.admin.filters import words_of
from changefeed.admin.kind_picker import picker_context
from changefeed.admin.overview import overview_context
from changefeed.admin.replaying import ReplayingPages
from changefeed.admin.words import since_text, state_word
from changefeed.dispatch.redaction import address_without_query
from changefeed.models import AlertKind, Endpoint, EndpointState, FeedAlert


@admin.register(Endpoint)
class EndpointAdmin(ReplayingPages, EndpointActs):
    """Seen by whoever may view endpoints; changed by superusers alone."""

    form = EndpointForm
    list_display = ("name", "shown_state", "lag", "pending", "parked", "alerts", "shown_address")
    list_display_links = ("name",)
    search_fields = ("name",)
    actions = None
    fieldsets = (
        (None, {"fields": ("name", "url", "source")}),
        (
            gettext_lazy("How it is sent"),
            {"fields": ("batch_size", "coalesce", "concurrency", "rate", "allowed_networks")},
        ),
        # Last, for the preview follows it.
        (gettext_lazy("What is sent"), {"fields": ("kinds", "fields")}),
    )
    formfield_overrides = {
        ArrayField: {"widget": UnfoldAdminTextInputWidget},
        # A plain input: Unfold's own shows the address as a link.
        URLField: {"widget": UnfoldAdminTextInputWidget, "assume_scheme": "https"},
    }
    change_form_template = "admin/changefeed/endpoint_form.html"
    change_form_outer_before_template = "admin/changefeed/endpoint_before.html"
    change_form_after_template = "admin/changefeed/endpoint_filters.html"
    change_list_template = "admin/changefeed/endpoint_list.html"
    list_before_template = "admin/changefeed/endpoint_overview.html"

    # -- who may ----------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_edit_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_edit_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: Django would list every pending lane first; `remove` does it in one step."""
        return False

    # -- the list ---------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**(extra_context or {}), **overview_context(request)}
        return super().changelist_view(request, context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        found: QuerySet[Endpoint] = super().get_queryset(request)
        about_endpoints = (AlertKind.PARKED, AlertKind.BREAKER, AlertKind.GONE, AlertKind.LAG)
        open_alerts = FeedAlert.objects.filter(
            kind__in=about_endpoints, key=OuterRef("pk"), cleared_at=None
        ).order_by()
        return found.annotate(
            lane_count=Count("lanes"),
            parked_count=Count("lanes", filter=Q(lanes__due_at=None)),
            since=Min("lanes__pending_since"),
            alert_count=Subquery(
                open_alerts.values("key").annotate(count=Count("pk")).values("count")
            ),
        )

    @display(description=gettext_lazy("address"))
    def shown_address(self, endpoint: Endpoint) -> str:
        return address_without_query(endpoint.url)

    @display(description=gettext_lazy("state"), ordering="state")
    def shown_state(self, endpoint: Endpoint) -> str:
        return format_html(
            '<span class="desk-state {}">{}</span>',
            "" if endpoint.state == EndpointState.ACTIVE else "is-frozen",
            state_word(endpoint.state),
        )

    @display(description=gettext_lazy("oldest waiting for"), ordering="since")
    def lag(self, endpoint: Any) -> str:
        if not endpoint.since:
            return "–"
        return since_text(endpoint.since, timezone.now())

    @display(description=gettext_lazy("subjects waiting"), ordering="lane_count")
    def pending(self, endpoint: Any) -> str:
        return f"{endpoint.lane_count:,}"

    @display(description=gettext_lazy("subjects parked"), ordering="parked_count")
    def parked(self, endpoint: Any) -> str:
        return f"{endpoint.parked_count:,}"

    @display(description=gettext_lazy("open alerts"), ordering="alert_count")
    def alerts(self, endpoint: Any) -> str:
        return str(endpoint.alert_count or "–")

    # -- one endpoint -----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview)
        return [path("preview/", preview, name="changefeed_endpoint_preview"), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Viewers get the address as text, for a read-only URL would become a link."""
        if self.has_edit_permission(request):
            return self.fieldsets
        return tuple(
            (
                title,
                {"fields": tuple("shown_address" if n == "url" else n for n in part["fields"])},
            )
            for title, part in self.fieldsets
        )

    def preview(self, request: HttpRequest) -> HttpResponse:
        """What the filters in the query let through, as the part of a page."""
        if not self._may_preview(request):
            raise PermissionDenied
        context = preview_context(
            words_of(request.GET.get("kinds", "")),
            words_of(request.GET.get("fields", "")),
            request.GET.get("source", "").strip(),
        )
        return TemplateResponse(request, "admin/changefeed/_preview.html", context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        endpoint = self.get_object(request, object_id) if object_id else None
        may_edit = self.has_edit_permission(request)
        if endpoint and self.has_view_permission(request):
            context |= endpoint_context(request, endpoint, may_edit=may_edit)
            context["content_title"] = endpoint.name
        if self._may_preview(request):
            context |= self._previewed(request, endpoint)
            context["may_edit"] = may_edit
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: Any) -> None:
        if change:
            obj.save(update_fields=form.changed_data) if form.changed_data else None
            return
        secret = lifecycle.add_endpoint(obj, actor=actor_of(request.user))
        show_secret(request, secret)

    def _may_preview(self, request: HttpRequest) -> bool:
        return self.has_edit_permission(request) or request.user.has_perms(
            ["changefeed.view_endpoint", "changefeed.view_change"]
        )

    def _previewed(self, request: HttpRequest, endpoint: Endpoint | None) -> dict[str, Any]:
        """The preview of what was typed, else of what is stored, and the kinds to choose from."""
        kinds: list[str] = endpoint.kinds if endpoint else []
        fields: list[str] = endpoint.fields if endpoint else []
        source = endpoint.source if endpoint else ""
        if request.method == "POST":
            typed = request.POST
            kinds = words_of(typed.get("kinds", ""))
            fields = words_of(typed.get("fields", ""))
            source = typed.get("source", "").strip()
        context = preview_context(kinds, fields, source)
        if self.has_edit_permission(request):
            context |= picker_context(kinds, fields, context["preview"])
        return context
