"""Registers the changefeed app: what changed, and its way to the other systems."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChangefeedConfig(AppConfig):
    name = "changefeed"
    verbose_name = _("Change feed")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from changefeed.feed_kinds import register_kinds

        register_kinds()
