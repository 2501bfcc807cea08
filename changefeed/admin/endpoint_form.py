"""The form of an endpoint: its filters as people write them, every field explained."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import URLField
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from changefeed import filtering, kinds
from changefeed.admin.filters import words_of
from changefeed.models import Endpoint
from changefeed.validation import validate_network


class WordsField(forms.CharField):
    """A list of words, written with commas, spaces or line breaks in between."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False,
            widget=UnfoldAdminTextInputWidget(
                attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
            ),
            **options,
        )

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        words = words_of(super().to_python(value) or "")
        if too_many := filtering.too_many(words):
            raise ValidationError(str(too_many), code="many")
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or ()) != words_of(data or "")


def _form_field(field: Any, **options: Any) -> Any:
    """An address without a scheme is one of https."""
    if isinstance(field, URLField):
        options["assume_scheme"] = "https"
    return field.formfield(**options)


def _network_problem(word: str) -> str:
    """What is wrong with it as a network; empty for a sound one."""
    try:
        validate_network(word)
    except ValidationError as refused:
        return " ".join(refused.messages)
    return ""


class EndpointForm(forms.ModelForm):
    """With `_preview` in its data the form only shows what its filters would match.

    A filter that nothing can pass is refused, except what an endpoint has stored already: a kind
    may have been given up since.
    """

    kinds = WordsField(
        label=capfirst(_("kinds of change")),
        help_text=_(
            "Empty means all. Several with commas; order.* stands for every kind that begins so. "
            "They can be chosen below."
        ),
    )
    fields = WordsField(  # type: ignore[assignment]
        label=capfirst(_("fields")),
        help_text=_(
            "Empty means all. With an entry here, only changes of these fields are sent, and "
            "events without a field are not."
        ),
    )

    allowed_networks = WordsField(
        label=capfirst(_("private networks allowed")),
        help_text=_("For example 10.20.0.0/16; other private addresses stay refused."),
    )

    class Meta:
        model = Endpoint
        error_messages: ClassVar[dict[str, Any]] = {
            "name": {"unique": _("Another endpoint has this name.")}
        }
        formfield_callback = _form_field
        fields = (
            *("name", "url", "source", "kinds", "fields", "batch_size", "coalesce"),
            *("concurrency", "rate", "allowed_networks"),
        )

    def clean_kinds(self) -> list[str]:
        return self._sound("kinds", filtering.kind_problems)

    def clean_fields(self) -> list[str]:
        return self._sound("fields", filtering.field_problems)

    def clean_allowed_networks(self) -> list[str]:
        words: list[str] = self.cleaned_data["allowed_networks"]
        problems = [problem for word in words if (problem := _network_problem(word))]
        if problems:
            raise ValidationError([ValidationError(one, code="network") for one in problems])
        return words

    def _sound(self, name: str, find: Callable[[Sequence[str]], list[str]]) -> list[str]:
        words: list[str] = self.cleaned_data[name]
        stored = self.initial.get(name) or ()
        if problems := find([word for word in words if word not in stored]):
            raise ValidationError([ValidationError(one, code="word") for one in problems])
        return words

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        chosen, fields = cleaned.get("kinds"), cleaned.get("fields")
        if (
            fields
            and chosen is not None
            and {"kinds", "fields"} & set(self.changed_data)
            and not kinds.can_match(chosen, fields)
        ):
            self.add_error("fields", filtering.NO_SUCH_FIELD)
        return cleaned

    def is_valid(self) -> bool:
        """Never while previewing, so that nothing is saved; errors beside fields still show."""
        return super().is_valid() and "_preview" not in self.data
