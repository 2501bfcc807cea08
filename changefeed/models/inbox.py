"""Ids of messages that other systems sent us, so that a repeat is known as one."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Inbox(models.Model):
    """One message received from a source; inserted in the transaction that applies it.

    `body_hash` is the SHA-256 of its canonical JSON in hex, `answer` what the sender was told,
    so that a repeat gets the same answer and another body under the same id is refused.
    """

    source = models.TextField(_("source system"))
    source_event_id = models.TextField(_("event id at the source"))
    body_hash = models.TextField(_("hash of the body"), blank=True, default="", editable=False)
    answer = models.JSONField(_("answer"), null=True, blank=True, editable=False)
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
