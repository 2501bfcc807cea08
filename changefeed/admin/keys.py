"""API keys: made and revoked by superusers; the key itself is shown once."""

from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from changefeed.admin.base import actor_of, found_or_404, to_page
from changefeed.keys import SCOPES, issue_key, revoke_key
from changefeed.models import ApiKey

log = structlog.get_logger(__name__)


class ApiKeyForm(forms.ModelForm):
    """Name, source and at least one scope."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("scopes"),
        choices=[(scope, scope) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiKey
        fields = ("name", "source", "scopes")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """A key is never edited: revoke it and make another."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "source", "shown_scopes", "shown_state", "last_used_at")
    list_display_links = ("name",)
    search_fields = ("name", "prefix", "source")
    actions = None
    actions_detail = ("revoke",)

    def has_edit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_edit_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "source", "scopes")
        seen = ("shown_scopes", "created_at", "last_used_at", "revoked_at")
        return ("name", "prefix", "source", *seen)

    @display(description=gettext_lazy("scopes"))
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(
        description=gettext_lazy("state"),
        label={"valid": "success", "revoked": "danger"},
    )
    def shown_state(self, key: ApiKey) -> tuple[str, str]:
        return ("revoked", _("revoked")) if key.revoked_at else ("valid", _("valid"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        plain = issue_key(obj)
        log.info("key made", key=obj.name, scopes=obj.scopes, actor=actor_of(request.user))
        messages.warning(request, _("API key, shown this once: %(key)s") % {"key": plain})

    @action(
        description=gettext_lazy("Revoke"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Revoke this key?"),
            "description": gettext_lazy("Whoever uses it is refused within two seconds, for good."),
            "form_class": None,
            "form_submit_text": gettext_lazy("Revoke"),
        },
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        key = found_or_404(self, request, object_id)
        revoke_key(key)
        log.info("key revoked", key=key.name, actor=actor_of(request.user))
        messages.success(request, _("The key is revoked."))
        return to_page(request, "changefeed_apikey_change", object_id)
