"""What the feed's watch remembers: what is wrong, what was said about it, how lag went."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from changefeed.models.endpoints import Endpoint


class AlertKind(models.TextChoices):
    """What people are alerted to."""

    PARKED = "parked", _("subjects wait for a person")
    BREAKER = "breaker", _("an endpoint does not answer")
    GONE = "gone", _("an address takes no more messages")
    LAG = "lag", _("an endpoint is behind")
    CONSUMER = "consumer", _("a consumer has stopped pulling")
    WRITER = "writer", _("a long transaction holds pulling consumers back")


class FeedAlert(models.Model):
    """One thing that is wrong, from when it is noticed until its end has been told.

    `key` is the id of the endpoint, or of the consumer's API key, or 0 for the feed as a whole;
    `figure` counts subjects or seconds, `notified_figure` is the one last told.
    """

    kind = models.TextField(_("kind"), choices=AlertKind.choices)
    key = models.BigIntegerField(default=0)
    name = models.TextField(_("name"), blank=True)
    figure = models.FloatField(_("figure"))
    notified_figure = models.FloatField(null=True)
    raised_at = models.DateTimeField(_("noticed at"))
    cleared_at = models.DateTimeField(_("over since"), null=True)

    class Meta:
        verbose_name = _("feed alert")
        verbose_name_plural = _("feed alerts")
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="changefeed_feedalert_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class AlertDigest(models.Model):
    """The latest message of one kind; `unsent` is its text until a service has taken it."""

    kind = models.TextField(_("kind"), choices=AlertKind.choices, primary_key=True)
    composed_at = models.DateTimeField(_("composed at"), null=True)
    unsent = models.TextField(blank=True, default="")
    taken_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")

    def __str__(self) -> str:
        return self.kind


class LagSample(models.Model):
    """How far behind one endpoint was at a full minute; kept for some days."""

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="lag_samples", verbose_name=_("endpoint")
    )
    at = models.DateTimeField(_("time"))
    pending_lanes = models.PositiveIntegerField(_("subjects waiting"))
    parked_lanes = models.PositiveIntegerField(_("subjects parked"))
    oldest_pending_seconds = models.FloatField(_("oldest waiting for, seconds"))

    class Meta:
        verbose_name = _("sample of lag")
        verbose_name_plural = _("samples of lag")
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "at"], name="changefeed_lagsample_once_a_minute"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.at:%Y-%m-%d %H:%M}"
