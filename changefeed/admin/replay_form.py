"""What somebody asks to be told again, as a form that refuses half a subject or a turned range."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from changefeed.errors import BadSelection
from changefeed.replaying import Selection

SUBJECT, RANGE, ALL = "subject", "range", "all"


class MomentField(forms.DateTimeField):
    """A minute or second in the shop's time zone, by the browser's own control."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        )
        super().__init__(required=False, widget=widget, **options)

    def to_python(self, value: Any) -> datetime | None:
        read = super().to_python(value)
        return read and read.replace(tzinfo=ZoneInfo(settings.SHOP_TIME_ZONE))


class ReplayForm(forms.Form):
    """One of three ways to choose; what the others hold does not count."""

    scope = forms.ChoiceField(
        label=_("What to send again"),
        choices=[
            (SUBJECT, _("one subject")),
            (RANGE, _("everything recorded in a time range")),
            (ALL, _("everything that is still kept")),
        ],
        widget=forms.RadioSelect,
        initial=SUBJECT,
    )
    subject = forms.CharField(
        label=_("subject"),
        required=False,
        max_length=200,
        help_text=_("An order number, or kind:id for other subjects"),
    )
    since = MomentField(label=_("recorded from"))
    until = MomentField(label=_("recorded before"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        scope = cleaned.get("scope")
        subject = (cleaned.get("subject") or "").strip()
        if scope == SUBJECT and not subject:
            self.add_error("subject", _("Name the subject."))
        if scope == RANGE and not cleaned.get("since") and "since" not in self.errors:
            self.add_error("since", _("Say from when on."))
        if not self.errors:
            try:
                cleaned["selection"] = _selection(cleaned, scope, subject)
            except BadSelection:
                self.add_error("until", _("The range ends before it begins."))
        return cleaned


class ConfirmForm(forms.Form):
    """The second step: the same wish with a key, so that pressing twice is asking once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(label=_("Reason"), max_length=500)

    @classmethod
    def fresh(cls) -> "ConfirmForm":
        return cls(initial={"key": uuid.uuid4()})


def _selection(cleaned: dict[str, Any], scope: str | None, subject: str) -> Selection:
    if scope == SUBJECT:
        kind, colon, name = subject.partition(":")
        return Selection(*((kind, name) if colon else ("order", subject)))
    if scope == RANGE:
        return Selection(since=cleaned["since"], until=cleaned.get("until"))
    return Selection()
