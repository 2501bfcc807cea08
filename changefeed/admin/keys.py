"""API keys: made and revoked by superusers; the key itself is shown once."""

from typing import Any, ClassVar

import structlog
from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanWidget

from changefeed.admin.base import actor_of, found_or_404, show_once, to_page
from changefeed.admin.dialogs import RevokeForm
from changefeed.admin.words import exact
from changefeed.keys import SCOPES, issue_key, revoke_key
from changefeed.models import ApiKey
from changefeed.signatures import new_secret

log = structlog.get_logger(__name__)


SCOPE_WORDS: dict[str, Any] = {
    "orders:read": gettext_lazy("look at orders"),
    "orders:write": gettext_lazy("place, change and cancel orders"),
    "holds:release": gettext_lazy("release or uphold holds"),
    "shipments:write": gettext_lazy("report parcels, answer stop requests"),
    "service-changes:write": gettext_lazy("pause, resume and skip deliveries"),
    "returns:read": gettext_lazy("look at returns"),
    "returns:write": gettext_lazy("request and settle returns"),
    "rules:read": gettext_lazy("look at rules"),
    "rules:write": gettext_lazy("change and publish rules"),
    "feed:read": gettext_lazy("pull changes"),
    "feed:write": gettext_lazy("tell us of changes made elsewhere"),
}


class ApiKeyForm(forms.ModelForm):
    """Name, source and at least one scope."""

    scopes = forms.MultipleChoiceField(
        label=capfirst(gettext_lazy("scopes")),
        choices=[(scope, format_lazy("{} – {}", scope, SCOPE_WORDS[scope])) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    signed = forms.BooleanField(
        label=capfirst(gettext_lazy("writing calls must be signed")),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy(
            "A second secret is shown with the key; a stolen key alone then changes nothing."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "source", "scopes")
        error_messages: ClassVar[dict[str, Any]] = {
            "name": {"unique": gettext_lazy("Another key has this name, perhaps a revoked one.")}
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("Who holds it, for example WMS. It stands in every log."),
            "source": gettext_lazy(
                "The system that its changes come from; an endpoint with the same word is not "
                "sent back what it said itself."
            ),
        }


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """A key is never edited: revoke it and make another."""

    form = ApiKeyForm
    list_display = (
        "name",
        "prefix",
        "source",
        "shown_scopes",
        "shown_signed",
        "shown_state",
        "last_used",
    )
    list_display_links = ("name",)
    search_fields = ("name", "prefix", "source")
    actions = None
    actions_detail = ("revoke",)
    change_form_template = "admin/changefeed/record_form.html"

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
            return ("name", "source", "scopes", "signed")
        seen = ("shown_scopes", "shown_signed", "shown_state", "made", "last_used", "revoked")
        return ("name", "prefix", "source", *seen)

    @display(description=gettext_lazy("scopes"))
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description=gettext_lazy("state"))
    def shown_state(self, key: ApiKey) -> str:
        word = _("revoked") if key.revoked_at else _("valid")
        return format_html(
            '<span class="desk-state {}">{}</span>', "is-cancelled" if key.revoked_at else "", word
        )

    @display(description=gettext_lazy("signed calls"))
    def shown_signed(self, key: ApiKey) -> str:
        return _("required") if key.signing_secret else _("not required")

    @display(description=gettext_lazy("created at"))
    def made(self, key: ApiKey) -> str:
        return exact(key.created_at)

    @display(description=gettext_lazy("last used at"), ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return exact(key.last_used_at)

    @display(description=gettext_lazy("revoked at"))
    def revoked(self, key: ApiKey) -> str:
        return exact(key.revoked_at)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """A revoked key has nothing left to do."""
        key = str(object_id)
        ended = ApiKey.objects.filter(pk=key if key.isdecimal() else 0, revoked_at__isnull=False)
        found: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        return [] if ended.exists() else found

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if form.cleaned_data["signed"]:
            obj.signing_secret = new_secret()
        plain = issue_key(obj)
        log.info("key made", key=obj.name, scopes=obj.scopes, actor=actor_of(request.user))
        show_once(request, _("API key, shown this once:"), plain)
        if obj.signing_secret:
            show_once(request, _("Its signing secret, shown this once:"), obj.signing_secret)

    @action(
        description=gettext_lazy("Revoke"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Revoke this key?"),
            "description": gettext_lazy("Whoever uses it is refused within two seconds, for good."),
            "form_class": RevokeForm,
            "form_submit_text": gettext_lazy("Revoke"),
        },
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        key = found_or_404(self, request, object_id)
        revoke_key(key)
        self.log_change(request, key, _("Revoked"))
        log.info("key revoked", key=key.name, actor=actor_of(request.user))
        messages.success(request, _("The key is revoked."))
        return to_page(request, "changefeed_apikey_change", object_id)
