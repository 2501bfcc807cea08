"""The form of an endpoint: its filters as people write them, every field explained."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import URLField
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from changefeed.admin.filters import MOST_WORDS, words_of
from changefeed.models import Endpoint

_KIND = re.compile(r"[a-z][a-z0-9_-]*\.(\*|[a-z0-9_.-]+)")
_FIELD = re.compile(r"[A-Za-z0-9_.-]+")


class WordsField(forms.CharField):
    """A list of words, written with commas, spaces or line breaks in between."""

    def __init__(self, *, pattern: re.Pattern[str], problem: Any, **options: Any) -> None:
        self._pattern, self._problem = pattern, problem
        super().__init__(
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
            **options,
        )

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        words = words_of(super().to_python(value) or "")
        if len(words) > MOST_WORDS:
            raise ValidationError(
                _("At most %(count)d entries."), code="many", params={"count": MOST_WORDS}
            )
        for word in words:
            if not self._pattern.fullmatch(word):
                raise ValidationError(self._problem, code="word", params={"word": word})
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or ()) != words_of(data or "")


def _form_field(field: Any, **options: Any) -> Any:
    """An address without a scheme is one of https."""
    if isinstance(field, URLField):
        options["assume_scheme"] = "https"
    return field.formfield(**options)


class EndpointForm(forms.ModelForm):
    """With `_preview` in its data the form only shows what its filters would match."""

    kinds = WordsField(
        label=capfirst(_("kinds of change")),
        pattern=_KIND,
        problem=_("“%(word)s” is not a kind; write it like order.held or order.*."),
        help_text=_(
            "Empty means all. Several with commas; order.* stands for every kind that begins so."
        ),
    )
    fields = WordsField(  # type: ignore[assignment]
        label=capfirst(_("fields")),
        pattern=_FIELD,
        problem=_("“%(word)s” is not the name of a field; write it like ship_to."),
        help_text=_(
            "Empty means all. With an entry here, only changes of these fields are sent, and "
            "events without a field are not."
        ),
    )

    class Meta:
        model = Endpoint
        formfield_callback = _form_field
        fields = (
            *("name", "url", "source", "kinds", "fields", "batch_size", "coalesce"),
            *("concurrency", "rate", "allowed_networks"),
        )

    def is_valid(self) -> bool:
        """Never while previewing, so that nothing is saved; errors beside fields still show."""
        return super().is_valid() and "_preview" not in self.data
