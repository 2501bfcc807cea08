"""What changed between two documents, as data and as sentences; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules.document import LAYERS, Action, Document, Group, Row, Rule

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ADDED, REMOVED, CHANGED, KEPT = "added", "removed", "changed", "kept"
FIELD_LABELS: dict[str, StrOrPromise] = {
    "name": gettext_lazy("name"),
    "layer": gettext_lazy("layer"),
    "priority": gettext_lazy("priority"),
    "status": gettext_lazy("status"),
    "on_missing": gettext_lazy("a condition on a missing value"),
    "valid_from": gettext_lazy("valid from"),
    "valid_until": gettext_lazy("valid until"),
}
"""The fields of a rule beside its conditions and actions, in the order they are told."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a rule that has another value."""

    name: str
    old: object
    new: object

    @property
    def label(self) -> str:
        """The field's name in the active language."""
        return str(FIELD_LABELS[self.name])


@dataclass(frozen=True, slots=True)
class RowChange:
    """A condition that was added (`old` is None), removed (`new` is None) or changed.

    `old_group` and `new_group` count the groups from 1.
    """

    kind: str
    old: Row | None
    new: Row | None
    old_group: int | None = None
    new_group: int | None = None


@dataclass(frozen=True, slots=True)
class ActionChange:
    """An action that was added, removed or changed."""

    kind: str
    old: Action | None
    new: Action | None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that was added (`old` is None), removed (`new` is None) or changed."""

    kind: str
    old: Rule | None
    new: Rule | None
    fields: tuple[FieldChange, ...] = ()
    rows: tuple[RowChange, ...] = ()
    actions: tuple[ActionChange, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule as it is now, or as it was."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def is_reworded(self) -> bool:
        """Whether the sentence of the rule changed, not only its place or name."""
        told = ("valid_from", "valid_until")
        return bool(self.rows or self.actions or any(f.name in told for f in self.fields))


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changed, rules in the order in which they are asked."""

    added: tuple[RuleChange, ...] = ()
    removed: tuple[RuleChange, ...] = ()
    changed: tuple[RuleChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def all(self) -> tuple[RuleChange, ...]:
        """Added, changed and removed rules, in that order."""
        return (*self.added, *self.changed, *self.removed)


def difference(old: Document, new: Document) -> Difference:
    """What has to be done to `old` to get `new`; rules are the same by their key."""
    before = {rule.key: rule for rule in old.rules}
    after = {rule.key: rule for rule in new.rules}
    changed = (
        change_of(before[rule.key], rule)
        for rule in in_asked_order(new.rules)
        if rule.key in before and not _same(before[rule.key], rule)
    )
    return Difference(
        tuple(
            RuleChange(ADDED, None, rule)
            for rule in in_asked_order(new.rules)
            if rule.key not in before
        ),
        tuple(
            RuleChange(REMOVED, rule, None)
            for rule in in_asked_order(old.rules)
            if rule.key not in after
        ),
        tuple(changed),
    )


def in_asked_order(rules: Iterable[Rule]) -> list[Rule]:
    """Rules of any status by layer, priority and key."""
    return sorted(rules, key=lambda rule: (LAYERS.index(rule.layer), rule.priority, rule.key))


def change_of(old: Rule, new: Rule) -> RuleChange:
    """What changed in one rule."""
    fields = tuple(
        FieldChange(name, getattr(old, name), getattr(new, name))
        for name in FIELD_LABELS
        if getattr(old, name) != getattr(new, name)
    )
    return RuleChange(
        CHANGED, old, new, fields, _row_changes(old.when, new.when), _actions(old.then, new.then)
    )


def _same(old: Rule, new: Rule) -> bool:
    return old.as_json() == new.as_json()


def _row_changes(old: Sequence[Group], new: Sequence[Group]) -> tuple[RowChange, ...]:
    """Rows that came, went or have another operator or value; groups are paired by likeness."""
    changes: list[RowChange] = []
    for old_place, new_place in _paired(old, new):
        left = list(old[old_place]) if old_place is not None else []
        right = list(new[new_place]) if new_place is not None else []
        kept = [row for row in left if row in right]
        for row in kept:
            left.remove(row)
            right.remove(row)
        places = (
            None if old_place is None else old_place + 1,
            None if new_place is None else new_place + 1,
        )
        for row in list(left):
            same_fact = next((other for other in right if other.fact == row.fact), None)
            if same_fact is not None:
                left.remove(row)
                right.remove(same_fact)
                changes.append(RowChange(CHANGED, row, same_fact, *places))
        changes += [RowChange(REMOVED, row, None, *places) for row in left]
        changes += [RowChange(ADDED, None, row, *places) for row in right]
    return tuple(changes)


def _paired(old: Sequence[Group], new: Sequence[Group]) -> list[tuple[int | None, int | None]]:
    """Places of groups that belong together: the most alike first, then what is left over."""
    likeness = sorted(
        (
            (-_alike(group, other), abs(here - there), here, there)
            for here, group in enumerate(old)
            for there, other in enumerate(new)
        ),
    )
    pairs: list[tuple[int | None, int | None]] = []
    used_old: set[int] = set()
    used_new: set[int] = set()
    for score, _distance, here, there in likeness:
        if score < 0 and here not in used_old and there not in used_new:
            pairs.append((here, there))
            used_old.add(here)
            used_new.add(there)
    pairs += [(here, None) for here in range(len(old)) if here not in used_old]
    pairs += [(None, there) for there in range(len(new)) if there not in used_new]
    return sorted(pairs, key=lambda pair: pair[1] if pair[1] is not None else len(new))


def _alike(one: Group, other: Group) -> float:
    """How much two groups share: a row counts one, a fact alone a third."""
    rows = len(set(one) & set(other))
    facts = len({row.fact for row in one} & {row.fact for row in other})
    return rows + (facts - rows) / 3 if facts > rows else float(rows)


def _actions(old: Sequence[Action], new: Sequence[Action]) -> tuple[ActionChange, ...]:
    left = [action for action in old if action not in new]
    right = [action for action in new if action not in old]
    changes = []
    for action in list(left):
        same = next((o for o in right if o.do == action.do and o.slot == action.slot), None)
        if same is not None:
            left.remove(action)
            right.remove(same)
            changes.append(ActionChange(CHANGED, action, same))
    changes += [ActionChange(REMOVED, action, None) for action in left]
    changes += [ActionChange(ADDED, None, action) for action in right]
    if not changes and tuple(old) != tuple(new):
        changes = [ActionChange(CHANGED, one, two) for one, two in zip(old, new, strict=True)]
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a sentence; `is_changed` when the other sentence reads otherwise here."""

    text: str
    is_changed: bool = False


@dataclass(slots=True)
class _Pieces:
    pieces: list[Piece] = field(default_factory=list)

    def add(self, words: Sequence[str], *, is_changed: bool) -> None:
        if words:
            self.pieces.append(Piece("".join(words), is_changed))


def marked(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both sentences in pieces, with what changed marked."""
    before, after = _words(old), _words(new)
    left, right = _Pieces(), _Pieces()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        left.add(before[i1:i2], is_changed=kind != "equal")
        right.add(after[j1:j2], is_changed=kind != "equal")
    return tuple(left.pieces), tuple(right.pieces)


def _words(text: str) -> list[str]:
    """Words of a sentence with their spaces; each Chinese character is a word of its own."""
    words: list[str] = []
    for char in text:
        joins = char.isascii() and (char.isalnum() or char in "._-+:/")
        if joins and words and words[-1].isascii() and words[-1][-1:] not in ("", " "):
            last = words[-1][-1]
            if last.isalnum() or last in "._-+:/":
                words[-1] += char
                continue
        words.append(char)
    return words


def summary(found: Difference) -> str:
    """The difference in one line: so many added, changed, removed."""
    if not found:
        return _("Nothing changed.")
    return _("%(added)d added, %(changed)d changed, %(removed)d removed") % {
        "added": len(found.added),
        "changed": len(found.changed),
        "removed": len(found.removed),
    }
