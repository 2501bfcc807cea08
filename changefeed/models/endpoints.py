"""The systems that are told about changes, and whether each of them answers."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from changefeed.validation import validate_address, validate_network

MOST_PER_BATCH = 500


GONE_REASON = "HTTP 410"
"""Why an endpoint is paused that said that it takes no more messages."""


class EndpointState(models.TextChoices):
    """Breaker of one endpoint: active → open → half_open (one probe) → active; or paused."""

    ACTIVE = "active", _("active")
    OPEN = "open", _("not answering")
    HALF_OPEN = "half_open", _("being probed")
    PAUSED = "paused", _("paused")


class Endpoint(models.Model):
    """A downstream system with its own filters, secrets, pace and breaker.

    While an endpoint is open or paused its lanes accumulate; nothing is dropped. Empty `kinds`
    or `fields` mean all; a kind may end in `.*`.
    """

    name = models.CharField(_("name"), max_length=100, unique=True)
    url = models.URLField(_("address"), max_length=500, validators=[validate_address])
    source = models.CharField(
        _("source system"),
        max_length=50,
        blank=True,
        default="",
        help_text=_(
            "As its API key names it. What this system itself told us, and what was stored just "
            "so, is not sent back to it."
        ),
    )
    secrets = models.JSONField(_("signing secrets"), default=list, editable=False)
    kinds = ArrayField(
        models.TextField(), verbose_name=_("kinds of change"), default=list, blank=True
    )
    fields = ArrayField(models.TextField(), verbose_name=_("fields"), default=list, blank=True)
    concurrency = models.PositiveSmallIntegerField(
        _("requests at once"),
        default=32,
        validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text=_("Per sending process; never two for one subject."),
    )
    rate = models.PositiveIntegerField(
        _("requests per second"), default=0, help_text=_("0 means as fast as it answers.")
    )
    batch_size = models.PositiveSmallIntegerField(
        _("events per request"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_PER_BATCH)],
        help_text=_("Above 1, every request is a batch, which the receiver must understand."),
    )
    coalesce = models.BooleanField(
        _("only the newest of a field"),
        default=False,
        db_default=False,
        help_text=_(
            "Several pending changes of one field are told as one, which lists what it stands for."
        ),
    )
    allowed_networks = ArrayField(
        models.TextField(validators=[validate_network]),
        verbose_name=_("private networks allowed"),
        default=list,
        blank=True,
        help_text=_("For example 10.20.0.0/16; other private addresses stay refused."),
    )
    state = models.TextField(
        _("state"), choices=EndpointState.choices, default=EndpointState.ACTIVE, editable=False
    )
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    openings = models.PositiveIntegerField(_("openings in a row"), default=0, editable=False)
    opened_until = models.DateTimeField(_("next probe at"), null=True, blank=True, editable=False)
    state_reason = models.TextField(_("reason of the state"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=EndpointState.values),
                name="changefeed_endpoint_state_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name
