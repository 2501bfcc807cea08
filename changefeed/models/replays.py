"""Orders to tell an endpoint again what it was told before."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from changefeed.models.endpoints import Endpoint


class Replay(models.Model):
    """Who asked for which changes to be told again, and how far that has come; kept for the audit.

    `id` comes from whoever asks, so that asking twice is asking once. Chosen are the changes of
    one subject or of all, recorded between `since` and `until` where given; every subject they
    belong to is told again from the first of them up to its newest. Of the sequences
    `first_seq` to `last_seq`, `next_seq` is the first not looked at yet. One that was called off
    is finished when no lane has messages of it left.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="replays", verbose_name=_("endpoint")
    )
    actor = models.TextField(_("actor"))
    reason = models.TextField(_("reason"), blank=True)
    subject_kind = models.TextField(_("subject kind"), blank=True)
    subject_id = models.TextField(_("subject"), blank=True)
    since = models.DateTimeField(_("recorded from"), null=True)
    until = models.DateTimeField(_("recorded until"), null=True)
    first_seq = models.BigIntegerField()
    next_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    subjects = models.PositiveIntegerField(_("subjects told again"), default=0)
    created_at = models.DateTimeField(_("asked for at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("all under way at"), null=True)
    called_off_at = models.DateTimeField(_("called off at"), null=True)
    called_off_by = models.TextField(_("called off by"), blank=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.id}"
