"""Registers the returns app, the kinds of change it records and the state it tells."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReturnsConfig(AppConfig):
    name = "returns"
    verbose_name = _("Returns")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from returns.feed_kinds import register_kinds
        from returns.feed_state import register_state

        register_kinds()
        register_state()
