"""Endpoints: whom we tell, whether they answer, how far they are behind."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, Min, QuerySet, URLField
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from changefeed import lifecycle
from changefeed.admin.base import ReasonForm, actor_of, to_page
from changefeed.models import Attempt, Endpoint, EndpointState

RECENT_ATTEMPTS = 20


@admin.register(Endpoint)
class EndpointAdmin(ModelAdmin):
    """Seen by whoever may view endpoints; changed by superusers alone."""

    list_display = ("name", "shown_address", "shown_state", "pending", "oldest")
    list_display_links = ("name",)
    search_fields = ("name",)
    actions = None
    fields = ("name", "url", "kinds", "fields", "concurrency", "rate", "allowed_networks")
    formfield_overrides = {
        ArrayField: {"widget": UnfoldAdminTextInputWidget},
        # A plain input: Unfold's own shows the address as a link.
        URLField: {"widget": UnfoldAdminTextInputWidget, "assume_scheme": "https"},
    }
    actions_detail = ("resume", "pause", "rotate_secret", "retire_secrets", "remove")
    change_form_after_template = "admin/changefeed/endpoint_after.html"

    # -- who may ----------------------------------------------------------------------------------

    def has_edit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_edit_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_edit_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: Django would list every pending lane first; `remove` does it in one step."""
        return False

    # -- the list ---------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        found: QuerySet[Endpoint] = super().get_queryset(request)
        return found.annotate(lane_count=Count("lanes"), since=Min("lanes__pending_since"))

    @display(description=gettext_lazy("address"))
    def shown_address(self, endpoint: Endpoint) -> str:
        return endpoint.url

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            EndpointState.ACTIVE: "success",
            EndpointState.OPEN: "danger",
            EndpointState.HALF_OPEN: "warning",
            EndpointState.PAUSED: "info",
        },
    )
    def shown_state(self, endpoint: Endpoint) -> tuple[str, str]:
        return endpoint.state, endpoint.get_state_display()

    @display(description=gettext_lazy("subjects waiting"), ordering="lane_count")
    def pending(self, endpoint: Any) -> int:
        return int(endpoint.lane_count)

    @display(description=gettext_lazy("oldest waiting for"), ordering="since")
    def oldest(self, endpoint: Any) -> str:
        return timesince(endpoint.since, timezone.now()) if endpoint.since else "–"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Viewers get the address as text, for a read-only URL would become a link."""
        if self.has_edit_permission(request):
            return self.fields
        return tuple("shown_address" if name == "url" else name for name in self.fields)

    # -- one endpoint -----------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        endpoint = self.get_object(request, object_id) if object_id else None
        if endpoint:
            context["endpoint"] = endpoint
            context["recent_attempts"] = Attempt.objects.filter(endpoint=endpoint).order_by(
                "-sent_at"
            )[:RECENT_ATTEMPTS]
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: Any) -> None:
        if change:
            obj.save(update_fields=form.changed_data) if form.changed_data else None
            return
        secret = lifecycle.add_endpoint(obj, actor=actor_of(request.user))
        self._show_secret(request, secret)

    @action(
        description=gettext_lazy("Resume"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Send again now?"),
            "description": gettext_lazy("Everything that waited goes out in order."),
            "form_class": None,
            "form_submit_text": gettext_lazy("Resume"),
        },
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        lifecycle.resume_endpoint(self._locate(object_id), actor=actor_of(request.user))
        messages.success(request, _("Sending resumes."))
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Pause"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Stop sending?"),
            "description": gettext_lazy("Changes accumulate; nothing is dropped."),
            "form_class": ReasonForm,
            "form_submit_text": gettext_lazy("Pause"),
        },
    )
    def pause(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        lifecycle.pause_endpoint(
            self._locate(object_id),
            actor=actor_of(request.user),
            reason=form.cleaned_data["reason"],
        )
        messages.success(request, _("Sending is paused."))
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("New secret"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Make a new signing secret?"),
            "description": gettext_lazy(
                "Messages carry a signature of the new and of the present secret until older ones "
                "are retired."
            ),
            "form_class": None,
            "form_submit_text": gettext_lazy("Make secret"),
        },
    )
    def rotate_secret(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        secret = lifecycle.rotate_secret(self._locate(object_id), actor=actor_of(request.user))
        self._show_secret(request, secret)
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Retire old secrets"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Sign with the newest secret only?"),
            "description": gettext_lazy("A receiver that still checks an older one will refuse."),
            "form_class": None,
            "form_submit_text": gettext_lazy("Retire"),
        },
    )
    def retire_secrets(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        dropped = lifecycle.retire_secrets(self._locate(object_id), actor=actor_of(request.user))
        messages.success(request, _("Secrets retired: %(count)d.") % {"count": dropped})
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Remove"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Remove this endpoint?"),
            "description": gettext_lazy("Everything still waiting for it is given up."),
            "form_class": None,
            "form_submit_text": gettext_lazy("Remove"),
        },
    )
    def remove(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        pending = lifecycle.remove_endpoint(self._locate(object_id), actor=actor_of(request.user))
        messages.success(
            request, _("Endpoint removed; subjects given up: %(count)d.") % {"count": pending}
        )
        return to_page(request, "changefeed_endpoint_changelist")

    def _locate(self, object_id: str) -> Endpoint:
        return Endpoint.objects.get(pk=object_id)

    def _back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return to_page(request, "changefeed_endpoint_change", object_id)

    def _show_secret(self, request: HttpRequest, secret: str) -> None:
        messages.warning(
            request,
            _("Signing secret, shown this once. Give it to the receiver: %(secret)s")
            % {"secret": secret},
        )
