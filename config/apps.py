"""Makes the wiring package an app, so that its commands and templates are found."""

from django.apps import AppConfig


class ConfigAppConfig(AppConfig):
    name = "config"
    verbose_name = "Sluice"
