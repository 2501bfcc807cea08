"""API keys of the systems that talk to us; only a hash is kept."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class ApiKey(models.Model):
    """A named secret with scopes, bound to one source system.

    `hash` is the SHA-256 of the whole key in hex; `prefix` is its public part, enough to find it
    in a list and useless to an attacker. `last_used_at` is written at most every five minutes.
    With a `signing_secret`, every writing call must also be signed (Standard Webhooks).
    """

    name = models.CharField(_("name"), max_length=100, unique=True)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    hash = models.CharField(max_length=64, editable=False)
    signing_secret = models.CharField(max_length=100, blank=True, default="", editable=False)
    scopes = ArrayField(models.TextField(), verbose_name=_("scopes"), default=list)
    source = models.CharField(_("source system"), max_length=50)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
