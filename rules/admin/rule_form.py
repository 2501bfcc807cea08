"""The form of one rule as a whole, to and from the document form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from rules.admin.rule_fields import (
    ActionForm,
    ActionFormSet,
    RowForm,
    RowFormSet,
    RuleForm,
    offered,
)
from rules.admin.rule_values import ACTION_TEXT, action_document, row_document, value_text
from rules.document import DEFAULT_PRIORITY, LAYERS
from rules.facts import catalogue
from rules.problems import DocumentError
from rules.storage import digest_of

BLANK_ROWS = 3
BLANK_ACTIONS = 2
_PATH = re.compile(r"(when|then)\[(\d+)\](?:\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the form an error belongs: `part` is form, rows or actions; `index` its row."""

    part: str
    index: int
    form: forms.Form
    field: str


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
    def showing(
        cls, raw: Mapping[str, Any] | None, note: str = "", *, is_stored: bool = True
    ) -> RuleEditor:
        """The form for a rule in document form, or an empty one.

        A rule that is not stored yet, such as the copy of another, is saved as a new one.
        """
        raw = raw or {}
        initial = {name: raw.get(name) for name in RuleForm.base_fields if raw.get(name)}
        for name in ("valid_from", "valid_until"):
            if initial.get(name):
                initial[name] = timezone.localtime(datetime.fromisoformat(str(initial[name])))
        if "priority" in raw:
            initial |= {"priority": raw["priority"], "note": note}
        if raw and is_stored:
            initial |= {"was": raw["key"], "seen": digest_of(raw)}
        rows: list[dict[str, object]] = [
            {
                "group": number,
                "fact": row["fact"],
                "op": row["op"],
                "value": value_text(row.get("value")),
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
                "text": str(action.get(ACTION_TEXT.get(action["do"], ""), "")),
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

    @staticmethod
    def labels() -> dict[str, str]:
        """The words for the plain fields."""
        return {name: str(field.label) for name, field in RuleForm.base_fields.items()}

    def set_origin(self, was: str, seen: str) -> None:
        """Say which rule, and as it was when, the form replaces when it is sent again."""
        sent = {name: self.form.data.get(name) for name in self.form.data}
        self.form.data = {**sent, "was": was, "seen": seen}

    def is_valid(self) -> bool:
        """Whether the fields have the shape that a document can be made of."""
        return all([self.form.is_valid(), self.rows.is_valid(), self.actions.is_valid()])

    def document(self) -> dict[str, Any]:
        """The rule in document form; fields without a valid shape are left as they begin."""
        fields = self.form.cleaned_data
        return {
            "key": fields.get("key", ""),
            "name": fields.get("name", ""),
            "layer": fields.get("layer", LAYERS[0]),
            "priority": fields.get("priority", DEFAULT_PRIORITY),
            "on_missing": fields.get("on_missing", "no_match"),
            "status": fields.get("status", "live"),
            "when": [[row_document(row) for row in group] for group in self._groups()],
            "then": [action_document(action) for action in self._acting()],
            **{
                name: moment.isoformat() if (moment := fields.get(name)) else None
                for name in ("valid_from", "valid_until")
            },
        }

    def show_errors(self, errors: Iterable[DocumentError]) -> None:
        """Put each error of the document beside the row or field it is about."""
        placed = [(place := self.place_of(e.path), self.worded(e, place)) for e in errors]
        for place, message in placed:
            place.form.add_error(place.field or None, message)

    def place_of(self, path: str) -> Place:
        """The part of the form that a path within the document is about."""
        found = _PATH.match(path)
        field = path.rpartition(".")[2]
        part, index = "form", 0
        form: forms.Form = self.form
        if found and found[1] == "when":
            groups = self._groups()
            group = groups[int(found[2])] if int(found[2]) < len(groups) else []
            if group:
                row = group[int(found[3] or 0)]
                part, index, form = "rows", self.rows.forms.index(row), row
            field = re.sub(r"\[\d+\]$", "", field) if found[3] else ""
        elif found:
            action = self._acting()[int(found[2])]
            part, index, form = "actions", self.actions.forms.index(action), action
            field = "text" if field in ACTION_TEXT.values() else field
        return Place(part, index, form, field if field in form.fields else "")

    def row_numbers(self) -> dict[tuple[int, int], int]:
        """The number of each filled row on the form, by its (group, place) in the document."""
        return {
            (number, place): self.rows.forms.index(row)
            for number, group in enumerate(self._groups())
            for place, row in enumerate(group)
        }

    def worded(self, error: DocumentError, place: Place) -> str:
        """The error's message, with the way out where the form knows one."""
        if error.code == "between_reversed":
            fact = catalogue.get(place.form.cleaned_data.get("fact", ""))
            if fact is not None and fact.widget == "clock":
                return _(
                    "A range over midnight needs two groups: from the first time on, and until "
                    "the second."
                )
        return error.message

    def _groups(self) -> list[list[RowForm]]:
        """Filled rows by group number, in the order in which they stand."""
        groups: dict[int, list[RowForm]] = {}
        for row in self.rows.forms:
            if not row.is_blank:
                groups.setdefault(row.cleaned_data.get("group") or 0, []).append(row)
        return [groups[number] for number in sorted(groups)]

    def _acting(self) -> list[ActionForm]:
        return [action for action in self.actions.forms if not action.is_blank]
