"""Ids of messages that other systems sent us, so that a repeat is known as one."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Inbox(models.Model):
    """One message received from a source; inserted in the transaction that applies it."""

    source = models.TextField(_("source system"))
    source_event_id = models.TextField(_("event id at the source"))
    received_at = models.DateTimeField(_("received at"), auto_now_add=True)

    class Meta:
        verbose_name = _("received message")
        verbose_name_plural = _("received messages")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_event_id"], name="changefeed_inbox_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.source_event_id}"
