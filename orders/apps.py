"""Registers the orders app and the facts and the past that its orders carry."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders.facts import register_facts
        from orders.feed_kinds import register_kinds
        from orders.feed_state import register_state
        from orders.history import register_history
        from orders.inbound import register_inbound
        from orders.slot_values import register_slots

        register_facts()
        register_history()
        register_inbound()
        register_kinds()
        register_state()
        register_slots()
