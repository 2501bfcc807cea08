"""Between the texts of plain fields and the values of conditions and actions."""

from __future__ import annotations

import re

from rules.admin.rule_fields import ActionForm, RowForm
from rules.conditions import OPERATORS, Takes
from rules.facts import Fact, FactType, catalogue

SEPARATORS = re.compile(r"[,，、]")
ACTION_TEXT = {"hold": "reason", "assign": "value", "tag": "tag", "effect": "key"}
"""Which member of an action its text field stands for."""


def value_text(value: object) -> str:
    """A stored value as the plain field shows it: several on one line, if no value has commas."""
    if value is None:
        return ""
    if isinstance(value, list):
        texts = [value_text(item) for item in value]
        if any(SEPARATORS.search(text) for text in texts):
            return "\n".join(texts) + ("\n" if len(texts) == 1 else "")
        return ", ".join(texts)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def row_document(form: RowForm) -> dict[str, object]:
    """The condition of a form row, as it stands in a document."""
    data = form.cleaned_data
    row: dict[str, object] = {"fact": data.get("fact", ""), "op": data.get("op", "")}
    operator = OPERATORS.get(data.get("op", ""))
    text = data.get("value", "").replace("\r\n", "\n")
    if operator is None or operator.takes is Takes.NOTHING:
        return row
    fact = catalogue.get(data.get("fact", ""))
    if operator.takes in (Takes.MANY, Takes.RANGE):
        row["value"] = [_scalar(fact, part) for part in _parts(text)]
    elif operator.takes is Takes.LIST:
        row["value"] = text.strip()
    else:
        row["value"] = _scalar(fact, text.strip())
    return row


def _parts(text: str) -> list[str]:
    """Several values: one per line, or separated by commas when there is one line."""
    parts = text.split("\n") if "\n" in text else SEPARATORS.split(text)
    return [part.strip() for part in parts if part.strip()]


def _scalar(fact: Fact | None, text: str) -> object:
    if fact is not None and fact.type is FactType.BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def action_document(form: ActionForm) -> dict[str, object]:
    """The action of a form row, as it stands in a document."""
    data = form.cleaned_data
    do = data.get("do", "")
    action: dict[str, object] = {"do": do}
    if do == "hold":
        action["risk"] = data.get("risk") or "high"
    if do == "assign":
        action["slot"] = data.get("slot", "")
    if do in ACTION_TEXT:
        action[ACTION_TEXT[do]] = data.get("text", "")
    return action
