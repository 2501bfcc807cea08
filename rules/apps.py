"""Registers the rules app with Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RulesConfig(AppConfig):
    """The app that decides and never acts."""

    name = "rules"
    verbose_name = _("Rules")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from rules.feed_kinds import register_kinds

        register_kinds()
