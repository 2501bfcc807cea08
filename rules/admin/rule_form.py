"""The form of one rule: plain fields, condition rows and actions, to and from a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rules.conditions import OPERATORS, Takes
from rules.document import DEFAULT_PRIORITY, SLOTS
from rules.facts import Fact, FactType, catalogue
from rules.models import ReferenceList
from rules.models.rulesets import Layer, OnMissing, RuleStatus
from rules.problems import DocumentError
from rules.storage import digest_of
from rules.wording import ACTION_LABELS, RISK_LABELS, SLOT_LABELS

BLANK_ROWS = 3
BLANK_ACTIONS = 2
_SEPARATORS = re.compile(r"[,，、]")
_PATH = re.compile(r"(when|then)\[(\d+)\](?:\[(\d+)\])?")
Offers = dict[str, list[tuple[str, list[tuple[str, str]]]]]
"""Choices by field: groups of (value, label)."""

_ACTION_TEXT = {"hold": "reason", "assign": "value", "tag": "tag", "effect": "key"}


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
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("valid_from", "valid_until"):
            self.fields[name].widget = forms.DateTimeInput(
                format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "rf-input"}
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


@dataclass(slots=True)
class RuleEditor:
    """The three parts of the form together."""

    form: RuleForm
    rows: Any
    actions: Any

    @classmethod
    def bound(cls, data: Mapping[str, Any]) -> RuleEditor:
        """The form as it was sent."""
        return cls(
            RuleForm(data),
            RowFormSet(data, prefix="rows", form_kwargs={"offers": offered()}),
            ActionFormSet(data, prefix="actions"),
        )

    @classmethod
    def showing(cls, raw: Mapping[str, Any] | None, note: str = "") -> RuleEditor:
        """The form for a rule in document form, or an empty one."""
        raw = raw or {}
        initial = {name: raw.get(name) for name in RuleForm.base_fields if raw.get(name)}
        if raw:
            initial |= {"priority": raw["priority"], "note": note, "seen": digest_of(raw)}
        rows: list[dict[str, object]] = [
            {
                "group": number,
                "fact": row["fact"],
                "op": row["op"],
                "value": _value_text(row.get("value")),
            }
            for number, group in enumerate(raw.get("when", []), start=1)
            for row in group
        ]
        blank = {"group": max((int(str(row["group"])) for row in rows), default=1)}
        actions = [
            {
                "do": action["do"],
                "slot": action.get("slot", ""),
                "risk": action.get("risk", "high"),
                "text": str(action.get(_ACTION_TEXT.get(action["do"], ""), "")),
            }
            for action in raw.get("then", [])
        ]
        return cls(
            RuleForm(initial=initial),
            RowFormSet(
                initial=[*rows, *[blank] * BLANK_ROWS],
                prefix="rows",
                form_kwargs={"offers": offered()},
            ),
            ActionFormSet(initial=[*actions, *[{}] * BLANK_ACTIONS], prefix="actions"),
        )

    def is_valid(self) -> bool:
        """Whether the fields have the shape that a document can be made of."""
        return all([self.form.is_valid(), self.rows.is_valid(), self.actions.is_valid()])

    def document(self) -> dict[str, object]:
        """The rule in document form, from valid fields."""
        fields = self.form.cleaned_data
        return {
            **{name: fields[name] for name in ("key", "name", "layer", "priority")},
            **{name: fields[name] for name in ("on_missing", "status")},
            "when": [[_row_document(row) for row in group] for group in self._groups()],
            "then": [_action_document(action) for action in self._acting()],
            **{
                name: fields[name].isoformat() if fields[name] else None
                for name in ("valid_from", "valid_until")
            },
        }

    def show_errors(self, errors: Iterable[DocumentError]) -> None:
        """Put each error of the document beside the row or field it is about."""
        groups, actions = self._groups(), self._acting()
        for error in errors:
            place = _PATH.match(error.path)
            field = error.path.rpartition(".")[2]
            form: forms.Form = self.form
            if place and place[1] == "when" and place[3] is not None:
                form = groups[int(place[2])][int(place[3])]
                field = re.sub(r"\[\d+\]$", "", field)
            elif place and place[1] == "when":
                found = groups[int(place[2])] if int(place[2]) < len(groups) else []
                form, field = (found[0] if found else self.form), ""
            elif place:
                form = actions[int(place[2])]
                field = "text" if field in _ACTION_TEXT.values() else field
            form.add_error(field if field in form.fields else None, error.message)

    def _groups(self) -> list[list[RowForm]]:
        """Filled rows by group number, in the order in which they stand."""
        groups: dict[int, list[RowForm]] = {}
        for row in self.rows.forms:
            if not row.is_blank:
                groups.setdefault(row.cleaned_data.get("group") or 0, []).append(row)
        return [groups[number] for number in sorted(groups)]

    def _acting(self) -> list[ActionForm]:
        return [action for action in self.actions.forms if not action.is_blank]


def offered() -> Offers:
    """Facts to choose from, grouped by where they come from, and operators."""
    groups: dict[str, list[tuple[str, str]]] = {"": [("", "—")]}
    for fact in catalogue.all():
        groups.setdefault(str(fact.source), []).append((fact.key, str(fact.label)))
    operators = [("", "—"), *((op.name, str(op.label)) for op in OPERATORS.values())]
    return {"fact": list(groups.items()), "op": [("", operators)]}


def form_guide() -> dict[str, object]:
    """What the page's script needs to know: facts, operators, lists and actions."""
    return {
        "facts": {
            fact.key: {
                "type": fact.type.value,
                "unit": str(fact.unit),
                "options": [[value, str(label)] for value, label in fact.options()],
                "operators": [op.name for op in OPERATORS.values() if fact.type in op.fits],
            }
            for fact in catalogue.all()
        },
        "takes": {op.name: op.takes.value for op in OPERATORS.values()},
        "lists": [
            [key, f"{name} ({key})"]
            for key, name in ReferenceList.objects.values_list("key", "name")
        ],
        "words": {
            "to": gettext("to"),
            "yes": gettext("yes"),
            "no": gettext("no"),
            "values": gettext("One per line, or separated by commas"),
            "or": gettext("or"),
            "group": gettext("Group"),
            "broken": gettext("The sentence appears once the rule is complete."),
        },
    }


def _value_text(value: object) -> str:
    """A stored value as the plain field shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        texts = [_value_text(item) for item in value]
        if any(_SEPARATORS.search(text) for text in texts):
            return "\n".join(texts) + ("\n" if len(texts) == 1 else "")
        return ", ".join(texts)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def _row_document(form: RowForm) -> dict[str, object]:
    data = form.cleaned_data
    row: dict[str, object] = {"fact": data["fact"], "op": data["op"]}
    operator = OPERATORS.get(data["op"])
    text = data["value"].replace("\r\n", "\n")
    if operator is None or operator.takes is Takes.NOTHING:
        return row
    fact = catalogue.get(data["fact"])
    if operator.takes in (Takes.MANY, Takes.RANGE):
        row["value"] = [_scalar(fact, part) for part in _parts(text)]
    elif operator.takes is Takes.LIST:
        row["value"] = text.strip()
    else:
        row["value"] = _scalar(fact, text.strip())
    return row


def _parts(text: str) -> list[str]:
    """Several values: one per line, or separated by commas when there is one line."""
    parts = text.split("\n") if "\n" in text else _SEPARATORS.split(text)
    return [part.strip() for part in parts if part.strip()]


def _scalar(fact: Fact | None, text: str) -> object:
    if fact is not None and fact.type is FactType.BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def _action_document(form: ActionForm) -> dict[str, object]:
    data = form.cleaned_data
    action: dict[str, object] = {"do": data["do"]}
    if data["do"] == "hold":
        action["risk"] = data["risk"] or "high"
    if data["do"] == "assign":
        action["slot"] = data["slot"]
    if data["do"] in _ACTION_TEXT:
        action[_ACTION_TEXT[data["do"]]] = data["text"]
    return action
