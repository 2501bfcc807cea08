"""What changed between two versions, in the words and shapes that pages show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from rules.decision import MatchedRow
from rules.differences import (
    ADDED,
    CHANGED,
    REMOVED,
    ActionChange,
    FieldChange,
    Piece,
    RowChange,
    RuleChange,
    difference,
    marked,
    summary,
)
from rules.document import Document, Row, Rule
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.models import RuleSet
from rules.models.rulesets import Layer, OnMissing, RuleStatus
from rules.parsing import parse_document
from rules.sentences import action_phrase, condition_phrase, sentence_for_rule
from rules.storage import ruleset_as_json
from rules.values import plain

_CHOICES: dict[str, Any] = {"layer": Layer, "status": RuleStatus, "on_missing": OnMissing}


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One rule: what happened to it, its sentence before and after, and what changed in it."""

    kind: str
    label: str
    rule: Rule
    layer: str
    old: tuple[Piece, ...] = ()
    new: tuple[Piece, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """All of it, with one line that counts; `old` is None when there was nothing before."""

    old: RuleSet | None
    new: RuleSet
    summary: str
    changes: tuple[ShownChange, ...]


def document_of(ruleset: RuleSet | None) -> Document | None:
    """The rules of a version; None when a rule in it cannot be read."""
    if ruleset is None:
        return Document()
    try:
        return parse_document(ruleset_as_json(ruleset), catalogue)
    except DocumentInvalid:
        return None


def shown_difference(old: RuleSet | None, new: RuleSet) -> ShownDifference | None:
    """What `new` changes against `old`; None when one of them cannot be read."""
    before, after = document_of(old), document_of(new)
    if before is None or after is None:
        return None
    found = difference(before, after)
    return ShownDifference(old, new, summary(found), tuple(_shown(change) for change in found.all))


def _shown(change: RuleChange) -> ShownChange:
    labels = {ADDED: _("added"), REMOVED: _("removed"), CHANGED: _("changed")}
    old = sentence_for_rule(change.old) if change.old else ""
    new = sentence_for_rule(change.new) if change.new else ""
    pieces: tuple[tuple[Piece, ...], tuple[Piece, ...]] = (
        (Piece(old),) if old else (),
        (Piece(new),) if new else (),
    )
    if change.kind == CHANGED:
        pieces = marked(old, new) if old != new else ((), (Piece(new),))
    return ShownChange(
        change.kind,
        labels[change.kind],
        change.rule,
        str(Layer(change.rule.layer).label),
        *pieces,
        lines=(
            *(_field_line(field) for field in change.fields),
            *(_row_line(row) for row in change.rows),
            *(_action_line(action) for action in change.actions),
        ),
    )


def _field_line(field: FieldChange) -> str:
    return _("%(field)s: %(old)s → %(new)s") % {
        "field": field.label,
        "old": _value(field.name, field.old),
        "new": _value(field.name, field.new),
    }


def _value(name: str, value: object) -> str:
    if value is None:
        return _("no limit")
    if isinstance(value, datetime):
        return str(formats.date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT"))
    return str(_CHOICES[name](value).label) if name in _CHOICES else str(value)


def _row_line(row: RowChange) -> str:
    group = row.new_group or row.old_group or 1
    if row.old is not None and row.new is not None:
        return _("condition in group %(group)d: %(old)s → %(new)s") % {
            "group": group,
            "old": _clause(row.old),
            "new": _clause(row.new),
        }
    if row.new is not None:
        return _("new condition in group %(group)d: %(condition)s") % {
            "group": group,
            "condition": _clause(row.new),
        }
    assert row.old is not None
    return _("condition no longer in group %(group)d: %(condition)s") % {
        "group": group,
        "condition": _clause(row.old),
    }


def _clause(row: Row) -> str:
    return condition_phrase(MatchedRow(row.fact, row.op, plain(row.value), None))


def _action_line(action: ActionChange) -> str:
    if action.old is not None and action.new is not None:
        return _("action: %(old)s → %(new)s") % {
            "old": action_phrase(action.old),
            "new": action_phrase(action.new),
        }
    if action.new is not None:
        return _("new action: %(action)s") % {"action": action_phrase(action.new)}
    assert action.old is not None
    return _("action no longer: %(action)s") % {"action": action_phrase(action.old)}
