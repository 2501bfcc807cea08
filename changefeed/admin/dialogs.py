"""What the dialogs say before an act: whom it meets, how much waits, what is lost."""

import hashlib
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.forms import BaseDialogForm

from changefeed.admin.base import ReasonForm
from changefeed.admin.waiting import Waiting, waiting_for
from changefeed.admin.words import exact, subject_text
from changefeed.consumers import PULL_SCOPE
from changefeed.lifecycle import head_of
from changefeed.models import ApiKey, Endpoint, FeedLane, LaneState


class FactsForm(BaseDialogForm):
    """A dialog that first tells, in sentences, what `facts` finds out."""

    form_before_template = "admin/changefeed/_dialog_facts.html"

    def facts(self, key: int) -> list[str]:
        """Sentences on the row with that id; none where it is gone."""
        return []

    def get_before_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        key = str(object_id)
        return {"facts": self.facts(int(key)) if key.isdecimal() else []}


class EndpointFactsForm(FactsForm):
    """Names the endpoint, and says what `about` finds out."""

    def facts(self, key: int) -> list[str]:
        endpoint = Endpoint.objects.filter(pk=key).first()
        return [endpoint.name, *self.about(endpoint)] if endpoint else []

    def about(self, endpoint: Endpoint) -> list[str]:
        """Sentences beside its name."""
        return []


class RemoveForm(EndpointFactsForm):
    """How many subjects are given up, and since when the oldest of them waits."""

    def about(self, endpoint: Endpoint) -> list[str]:
        waiting = waiting_for(endpoint.pk)
        if not waiting.subjects:
            lost = [_("Nothing waits for it: it knows everything it takes.")]
        else:
            lost = [_given_up(waiting), _oldest(waiting)]
        return [
            *lost,
            _("This cannot be undone. Its settings and signing secrets go too."),
        ]


class ResumeForm(EndpointFactsForm):
    """How much goes out at once."""

    def about(self, endpoint: Endpoint) -> list[str]:
        waiting = waiting_for(endpoint.pk)
        if not waiting.subjects:
            return [_("Nothing waits for it at present.")]
        return [_still_undelivered(waiting), _oldest(waiting)]


class PauseForm(EndpointFactsForm, ReasonForm):
    """How much waits already."""

    def about(self, endpoint: Endpoint) -> list[str]:
        waiting = waiting_for(endpoint.pk)
        now = [_still_undelivered(waiting)] if waiting.subjects else []
        return [*now, _("Requests already under way end as they would.")]


class RotateForm(EndpointFactsForm):
    """Remembers the secret that was the newest when the dialog opened.

    Pressed twice, or by two people at once, only the first makes a secret: a second one would
    drop the secret that the receiver still checks.
    """

    newest = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        key = str(self.object_id)
        found = Endpoint.objects.filter(pk=key).first() if key.isdecimal() else None
        if found:
            self.fields["newest"].initial = mark_of(found)

    def about(self, endpoint: Endpoint) -> list[str]:
        if len(endpoint.secrets) < 2:
            return []
        return [
            _(
                "Two secrets are in use already. The older of them stops working now: a receiver "
                "that still checks it will refuse every message."
            ),
        ]


class RetireForm(EndpointFactsForm):
    """How many secrets stop working."""

    def about(self, endpoint: Endpoint) -> list[str]:
        count = len(endpoint.secrets) - 1
        return [
            ngettext(
                "%(count)d older secret stops working.",
                "%(count)d older secrets stop working.",
                count,
            )
            % {"count": count},
            _("Send a test message afterwards to see that it still verifies."),
        ]


class LaneFactsForm(FactsForm):
    """Whose lane it is, and which message is in hand."""

    def facts(self, key: int) -> list[str]:
        lane = FeedLane.objects.select_related("endpoint").filter(pk=key).first()
        if lane is None or lane.state != LaneState.PARKED:
            return [_("This lane is not parked any more.")]
        head = head_of(lane)
        whose = f"{subject_text(lane)} → {lane.endpoint.name}"
        if head is None:
            return [whose, _("Nothing that this endpoint wants is pending any more.")]
        return [whose, f"{head.kind} · {_('Version')} {head.subject_version} · #{head.seq}"]


class SkipForm(LaneFactsForm, ReasonForm):
    """The same, and why."""


class RevokeForm(FactsForm):
    """Whose key it is, whether it is in use, and what is then kept for nobody."""

    def facts(self, key: int) -> list[str]:
        found = ApiKey.objects.filter(pk=key).first()
        if found is None:
            return []
        used = (
            _("Last used at %(time)s.") % {"time": exact(found.last_used_at)}
            if found.last_used_at
            else _("It was never used.")
        )
        pulls = PULL_SCOPE in found.scopes
        kept = [_("Changes are no longer kept for it as a pulling consumer.")] if pulls else []
        return [f"{found.name} · {found.prefix}", used, *kept]


def mark_of(endpoint: Endpoint) -> str:
    """What tells one newest secret from another without telling the secret."""
    return hashlib.sha256("".join(endpoint.secrets[:1]).encode()).hexdigest()[:16]


def _given_up(waiting: Waiting) -> str:
    return ngettext(
        "%(count)s subject with changes not yet delivered is given up.",
        "%(count)s subjects with changes not yet delivered are given up.",
        waiting.subjects,
    ) % {"count": _many(waiting)}


def _still_undelivered(waiting: Waiting) -> str:
    return ngettext(
        "%(count)s subject has changes not yet delivered.",
        "%(count)s subjects have changes not yet delivered.",
        waiting.subjects,
    ) % {"count": _many(waiting)}


def _oldest(waiting: Waiting) -> str:
    text = (
        _("The oldest has waited since %(time)s or longer.")
        if waiting.is_more
        else _("The oldest has waited since %(time)s.")
    )
    return text % {"time": exact(waiting.since)}


def _many(waiting: Waiting) -> str:
    count = f"{waiting.subjects:,}"
    return _("more than %(count)s") % {"count": count} if waiting.is_more else count
