"""The plain fields of the rule form: the rule itself, one condition, one action."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from rules.conditions import OPERATORS
from rules.document import DEFAULT_PRIORITY, SLOTS
from rules.facts import catalogue
from rules.models.rulesets import Layer, OnMissing, RuleStatus
from rules.wording import ACTION_LABELS, RISK_LABELS, SLOT_LABELS

Offers = dict[str, list[tuple[str, list[tuple[str, str]]]]]
"""Choices by field: groups of (value, label)."""


class DeskForm(forms.Form):
    """A form that looks like the desk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "rf-input")


class GroupedSelect(forms.Select):
    """A select whose choices are always (group, [(value, label), …]).

    Rendered in one go: the rows of a large rule carry thousands of options.
    """

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        groups = format_html_join("", "{}", ((self._group(g, value),) for g in self.choices))
        attributes = flatatt(self.build_attrs(self.attrs, {"name": name, **(attrs or {})}))
        return format_html("<select{}>{}</select>", attributes, groups)

    def _group(self, group: Any, chosen: Any) -> SafeString:
        label, options = group
        inside = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((v, mark_safe(" selected") if v == chosen else "", text) for v, text in options),
        )
        if not label:
            return inside
        return format_html('<optgroup label="{}">{}</optgroup>', label, inside)


class RuleForm(DeskForm):
    """The plain fields of a rule. Shape only; sense is checked with the whole document."""

    name = forms.CharField(label=_("name"), max_length=200)
    key = forms.CharField(
        label=_("key"),
        max_length=64,
        help_text=_("a-z, 0-9, - and _; stays the same over all versions."),
    )
    layer = forms.ChoiceField(label=_("layer"), choices=Layer.choices)
    priority = forms.IntegerField(
        label=_("priority"),
        min_value=0,
        initial=DEFAULT_PRIORITY,
        help_text=_("Lower numbers are asked first."),
    )
    status = forms.ChoiceField(
        label=_("status"), choices=RuleStatus.choices, initial=RuleStatus.LIVE
    )
    on_missing = forms.ChoiceField(
        label=_("a condition on a missing value"),
        choices=OnMissing.choices,
        initial=OnMissing.NO_MATCH,
    )
    valid_from = forms.DateTimeField(label=_("valid from"), required=False)
    valid_until = forms.DateTimeField(label=_("valid until"), required=False)
    note = forms.CharField(label=_("note"), max_length=500, required=False)
    was = forms.CharField(required=False, widget=forms.HiddenInput)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("valid_from", "valid_until"):
            moment = self.initial.get(name)
            seconds = {"step": 1} if moment is not None and moment.second else {}
            self.fields[name].widget = forms.DateTimeInput(
                format="%Y-%m-%dT%H:%M:%S" if seconds else "%Y-%m-%dT%H:%M",
                attrs={"type": "datetime-local", "class": "rf-input", **seconds},
            )


class RowForm(DeskForm):
    """One condition as plain fields; empty ones are ignored."""

    group = forms.IntegerField(label=_("group"), min_value=0, max_value=999, required=False)
    fact = forms.CharField(label=_("fact"), required=False, widget=GroupedSelect)
    op = forms.CharField(label=_("operator"), required=False, widget=GroupedSelect)
    value = forms.CharField(
        label=_("value"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 1, "class": "rf-input rf-value"}),
    )

    def __init__(self, *args: Any, offers: Offers | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (offers or offered()).items():
            value = self[name].value()
            known = any(value == v for _label, options in choices for v, _text in options)
            extra = [("", [(value, value)])] if value and not known else []
            self.fields[name].widget.choices = [*choices, *extra]

    @property
    def is_blank(self) -> bool:
        """Whether nobody filled the row."""
        data = self.cleaned_data
        return not (data.get("fact") or data.get("op") or data.get("value", "").strip())


class ActionForm(DeskForm):
    """One action as plain fields."""

    do = forms.ChoiceField(
        label=_("action"), required=False, choices=[("", "—"), *ACTION_LABELS.items()]
    )
    slot = forms.ChoiceField(
        label=_("slot"), required=False, choices=[("", "—"), *((s, SLOT_LABELS[s]) for s in SLOTS)]
    )
    risk = forms.ChoiceField(
        label=_("risk"), required=False, choices=list(RISK_LABELS.items()), initial="high"
    )
    text = forms.CharField(
        label=_("reason, value or tag"),
        required=False,
        widget=forms.TextInput(attrs={"class": "rf-input"}),
    )

    @property
    def is_blank(self) -> bool:
        """Whether nobody filled the row."""
        return not (self.cleaned_data.get("do") or self.cleaned_data.get("text"))


RowFormSet = forms.formset_factory(RowForm, extra=0, max_num=200, absolute_max=200)
ActionFormSet = forms.formset_factory(ActionForm, extra=0, max_num=40, absolute_max=40)


def offered() -> Offers:
    """Facts to choose from, grouped by where they come from, and operators."""
    groups: dict[str, list[tuple[str, str]]] = {"": [("", "—")]}
    for fact in catalogue.all():
        groups.setdefault(str(fact.source), []).append((fact.key, str(fact.label)))
    operators = [("", "—"), *((op.name, str(op.label)) for op in OPERATORS.values())]
    return {"fact": list(groups.items()), "op": [("", operators)]}
