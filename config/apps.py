"""Makes the wiring package an app: its commands and templates are found, its groups are made."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConfigAppConfig(AppConfig):
    name = "config"
    verbose_name = "Sluice"

    def ready(self) -> None:
        from config.roles import grant_after_migrate

        post_migrate.connect(grant_after_migrate, dispatch_uid="config.roles")
