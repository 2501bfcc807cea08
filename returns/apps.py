"""Registers the returns app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ReturnsConfig(AppConfig):
    name = "returns"
    verbose_name = _("Returns")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from returns.roles import grant_permissions

        post_migrate.connect(grant_permissions, sender=self, dispatch_uid="returns.grants")
