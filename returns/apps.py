"""Registers the returns app and the kinds of change it records."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReturnsConfig(AppConfig):
    name = "returns"
    verbose_name = _("Returns")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from changefeed import subjects
        from returns.feed_kinds import register_kinds

        register_kinds()
        subjects.register(
            "return",
            "SELECT version FROM returns_returnrequest WHERE number = %s FOR NO KEY UPDATE",
        )
