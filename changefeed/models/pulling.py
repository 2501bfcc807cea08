"""How far each pulling consumer is, and the windows its cursors point into."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from changefeed.models.keys import ApiKey


class PullCursor(models.Model):
    """One per consumer: the position its latest request acknowledged."""

    api_key = models.OneToOneField(
        ApiKey, on_delete=models.CASCADE, related_name="pull_cursor", verbose_name=_("API key")
    )
    window = models.ForeignKey(
        "PullWindow",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("window"),
    )
    after_seq = models.BigIntegerField(_("acknowledged up to"), default=0)
    seen_at = models.DateTimeField(_("last request at"), null=True)

    class Meta:
        verbose_name = _("pulling consumer")
        verbose_name_plural = _("pulling consumers")

    def __str__(self) -> str:
        return str(self.api_key)


class PullWindow(models.Model):
    """What became visible between two snapshots, fixed when first shown to a consumer.

    `since` and `until` are `pg_snapshot` texts; the changes in between lie within `first_seq`
    and `last_seq`. `previous` is the id of the window this one continues, 0 for the first.
    """

    cursor = models.ForeignKey(PullCursor, on_delete=models.CASCADE, related_name="windows")
    previous = models.BigIntegerField(default=0)
    since = models.TextField()
    until = models.TextField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("pull window")
        verbose_name_plural = _("pull windows")
        constraints = [
            models.UniqueConstraint(
                fields=["cursor", "previous"], name="changefeed_pullwindow_one_next"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cursor_id}/{self.pk}"
