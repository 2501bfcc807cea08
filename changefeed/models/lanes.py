"""What is still to be delivered, and what was tried."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from changefeed.models.endpoints import Endpoint


class LaneState(models.TextChoices):
    """ready → leased → gone, ready, backoff or parked."""

    READY = "ready", _("waiting")
    LEASED = "leased", _("being sent")
    BACKOFF = "backoff", _("waiting to retry")
    PARKED = "parked", _("parked")


class FeedLane(models.Model):
    """Pending changes of one subject for one endpoint; the row exists only while some are pending.

    `head_seq` and `last_seq` bound them; of these, `delivered_seqs` have arrived ahead of the head,
    and those up to `replay_until` are told once more. While the head is below `fresh_from`, a
    replay was put before what was pending then. A parked lane has no `due_at`. The foreign
    key has no database constraint: its check would lock the endpoint's row in every writing
    transaction.
    """

    endpoint = models.ForeignKey(
        Endpoint,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="lanes",
        verbose_name=_("endpoint"),
    )
    subject_kind = models.TextField(_("subject kind"))
    subject_id = models.TextField(_("subject"))
    head_seq = models.BigIntegerField(_("first pending"))
    last_seq = models.BigIntegerField(_("last pending"))
    due_at = models.DateTimeField(_("due at"), null=True)
    attempts = models.PositiveIntegerField(_("failed attempts"), db_default=0)
    rejections = models.PositiveIntegerField(_("refusals"), db_default=0)
    lease_id = models.UUIDField(_("lease"), null=True)
    lease_until = models.DateTimeField(_("leased until"), null=True)
    state = models.TextField(_("state"), choices=LaneState.choices, db_default=LaneState.READY)
    pending_since = models.DateTimeField(_("pending since"))
    delivered_seqs = ArrayField(
        models.BigIntegerField(), verbose_name=_("delivered ahead"), null=True, editable=False
    )
    replay_until = models.BigIntegerField(_("replayed up to"), null=True, editable=False)
    fresh_from = models.BigIntegerField(_("pending before the replay"), null=True, editable=False)

    class Meta:
        verbose_name = _("waiting lane")
        verbose_name_plural = _("waiting lanes")
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "subject_kind", "subject_id"],
                name="changefeed_feedlane_one_per_subject",
            ),
        ]
        indexes = [models.Index(fields=["endpoint", "due_at"], name="changefeed_feedlane_due")]

    def __str__(self) -> str:
        return f"{self.subject_kind}:{self.subject_id}"


class AttemptOutcome(models.TextChoices):
    """What an attempt meant for the lane and the endpoint."""

    DELIVERED = "delivered", _("delivered")
    REJECTED = "rejected", _("refused")
    THROTTLED = "throttled", _("asked to slow down")
    FAILED = "failed", _("failed")
    GONE = "gone", _("gone")


class Attempt(models.Model):
    """What one request meant for one subject; partitioned by day, kept for the retention.

    `messages` of the subject were in the request, the last of them `seq`. `batch` is the
    `webhook-id` of a request that held a batch.
    """

    id = models.BigIntegerField(
        primary_key=True, db_default=RawSQL("nextval('changefeed_attempt_id_seq')", ())
    )
    endpoint = models.ForeignKey(
        Endpoint,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("endpoint"),
    )
    subject_kind = models.TextField(_("subject kind"))
    subject_id = models.TextField(_("subject"))
    seq = models.BigIntegerField(_("sequence"))
    messages = models.SmallIntegerField(_("messages"), default=1, db_default=1)
    batch = models.TextField(_("batch"), blank=True, default="", db_default="")
    sent_at = models.DateTimeField(_("sent at"))
    outcome = models.TextField(_("outcome"), choices=AttemptOutcome.choices)
    status = models.SmallIntegerField(_("HTTP status"), null=True)
    latency_ms = models.IntegerField(_("latency (ms)"))
    answer = models.TextField(_("answer"), blank=True)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        indexes = [
            models.Index(fields=["endpoint", "sent_at"], name="changefeed_attempt_endpoint"),
            models.Index(
                fields=["subject_kind", "subject_id", "seq"], name="changefeed_attempt_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.seq} {self.outcome}"
