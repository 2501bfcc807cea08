"""From the document form to rules, finding every error on the way."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from rules.document import (
    ACTIONS_BY_LAYER,
    DEFAULT_PRIORITY,
    LAYERS,
    ON_MISSING,
    RISKS,
    SLOTS,
    STATUSES,
    Action,
    Document,
    Rule,
)
from rules.facts import Catalogue
from rules.parsing_rows import read_groups
from rules.problems import DocumentError, DocumentInvalid, Problems, join, shown

MAX_RULES = 5_000
MAX_ACTIONS = 20
MAX_PRIORITY = 1_000_000
MAX_BYTES = 20 * 1024 * 1024
_RULE_FIELDS = ("key", "name", "layer", "when", "then")
_RULE_OPTIONS = ("priority", "on_missing", "status", "valid_from", "valid_until")
_ACTION_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hold": (("reason",), ("risk",)),
    "assign": (("slot", "value"), ()),
    "tag": (("tag",), ()),
    "effect": (("key",), ()),
    "dispatch": ((), ()),
}


@dataclass(slots=True)
class _Reader:
    catalogue: Catalogue
    known_lists: Collection[str] | None
    problems: Problems = field(default_factory=Problems)

    def document(self, raw: object) -> Document:
        members = self.problems.members(raw, "", ("rules",))
        entries = members.get("rules") if members is not None else None
        if not isinstance(entries, list):
            if members is not None and "rules" in members:
                self.problems.add("rules", "wrong_type", _("Expected a list of rules."))
            return Document()
        if len(entries) > MAX_RULES:
            self.problems.add(
                "rules", "too_many_rules", _("At most %(limit)d rules.") % {"limit": MAX_RULES}
            )
            return Document()
        rules = []
        first_use: dict[str, int] = {}
        for number, entry in enumerate(entries):
            rule = self.rule(entry, f"rules[{number}]")
            if rule is None:
                continue
            if rule.key and rule.key in first_use:
                self.problems.add(
                    f"rules[{number}].key",
                    "duplicate_key",
                    _("The key “%(key)s” is already used by rules[%(number)d].")
                    % {"key": rule.key, "number": first_use[rule.key]},
                )
            first_use.setdefault(rule.key, number)
            rules.append(rule)
        return Document(tuple(rules))

    def rule(self, raw: object, path: str) -> Rule | None:
        found = self.problems
        members = found.members(raw, path, _RULE_FIELDS, _RULE_OPTIONS)
        if members is None:
            return None

        def at(name: str) -> str:
            return join(path, name)

        layer = (
            found.one_of(members["layer"], at("layer"), "unknown_layer", LAYERS)
            if ("layer" in members)
            else ""
        )
        rule = Rule(
            key=found.slug(members["key"], at("key")) if "key" in members else "",
            name=found.text(members["name"], at("name"), limit=200) if "name" in members else "",
            layer=layer,
            priority=found.whole_number(
                members.get("priority", DEFAULT_PRIORITY), at("priority"), 0, MAX_PRIORITY
            ),
            when=read_groups(members["when"], at("when"), self.catalogue, self.known_lists, found)
            if "when" in members
            else (),
            then=self.actions(members["then"], at("then"), layer) if "then" in members else (),
            on_missing=found.one_of(
                members.get("on_missing", "no_match"), at("on_missing"), "bad_choice", ON_MISSING
            ),
            status=found.one_of(
                members.get("status", "live"), at("status"), "unknown_status", STATUSES
            ),
            valid_from=found.time(members.get("valid_from"), at("valid_from")),
            valid_until=found.time(members.get("valid_until"), at("valid_until")),
        )
        if rule.valid_from and rule.valid_until and rule.valid_from >= rule.valid_until:
            found.add(at("valid_until"), "window_reversed", _("The end must come after the start."))
        return rule

    def actions(self, raw: object, path: str, layer: str) -> tuple[Action, ...]:
        if not isinstance(raw, list):
            self.problems.add(path, "wrong_type", _("Expected a list of actions."))
            return ()
        if not raw:
            self.problems.add(path, "no_actions", _("A rule needs at least one action."))
        if len(raw) > MAX_ACTIONS:
            self.problems.add(
                path, "too_many_actions", _("At most %(limit)d actions.") % {"limit": MAX_ACTIONS}
            )
            return ()
        actions: list[Action] = []
        for number, entry in enumerate(raw):
            where = f"{path}[{number}]"
            action = self.action(entry, where, layer)
            if action is None:
                continue
            if any(same_place(action, earlier) for earlier in actions):
                self.problems.add(where, "duplicate_action", _("Another action already does this."))
            actions.append(action)
        return tuple(actions)

    def action(self, raw: object, path: str, layer: str) -> Action | None:
        do = raw.get("do") if isinstance(raw, dict) else None
        required, optional = _ACTION_FIELDS.get(do, ((), ())) if isinstance(do, str) else ((), ())
        if (
            isinstance(raw, dict)
            and "do" in raw
            and not (isinstance(do, str) and do in _ACTION_FIELDS)
        ):
            self.problems.add(
                join(path, "do"),
                "unknown_action",
                _("There is no action “%(action)s”.") % {"action": shown(do)},
            )
            return None
        members = self.problems.members(raw, path, ("do", *required), optional)
        if members is None or not isinstance(do, str):
            return None
        if layer and do not in ACTIONS_BY_LAYER[layer]:
            self.problems.add(
                join(path, "do"),
                "action_not_allowed",
                _("The action “%(action)s” does not belong in the layer “%(layer)s”.")
                % {"action": do, "layer": layer},
            )
        return self.action_of(do, members, path)

    def action_of(self, do: str, members: Any, path: str) -> Action:
        found = self.problems

        def text(name: str, limit: int) -> str:
            return (
                found.text(members[name], join(path, name), limit=limit)
                if (name in members)
                else ""
            )

        if do == "hold":
            risk = members.get("risk", "high")
            return Action(
                do,
                reason=text("reason", 500),
                risk=found.one_of(risk, join(path, "risk"), "bad_choice", RISKS),
            )
        if do == "assign":
            slot = ""
            if "slot" in members:
                slot = found.one_of(members["slot"], join(path, "slot"), "unknown_slot", SLOTS)
            if slot == "print_priority" and "value" in members:
                raw = members["value"]
                number = int(raw) if isinstance(raw, str) and raw in "0123456789" and raw else raw
                value = str(found.whole_number(number, join(path, "value"), 0, 9))
            else:
                value = text("value", 64)
            return Action(do, slot=slot, value=value)
        if do == "tag":
            return Action(do, tag=text("tag", 64))
        if do == "effect":
            return Action(
                do, key=found.slug(members["key"], join(path, "key")) if "key" in members else ""
            )
        return Action(do)


def same_place(one: Action, other: Action) -> bool:
    """Whether two actions of a rule would fill the same place."""
    if one.do != other.do:
        return False
    return one == other or one.do in ("hold", "dispatch") or bool(one.slot == other.slot != "")


def parse_document(
    raw: object, catalogue: Catalogue, known_lists: Collection[str] | None = None
) -> Document:
    """The rules of a document already read from JSON.

    With `known_lists`, naming another list is an error. Raises DocumentInvalid, carrying
    every error with its path.
    """
    reader = _Reader(catalogue, known_lists)
    document = reader.document(raw)
    if reader.problems.errors:
        raise DocumentInvalid(reader.problems.errors)
    return document


def parse_rule(
    raw: object, catalogue: Catalogue, known_lists: Collection[str] | None = None
) -> Rule:
    """One rule of a document; paths start at the rule itself. Raises DocumentInvalid."""
    reader = _Reader(catalogue, known_lists)
    rule = reader.rule(raw, "")
    if rule is None or reader.problems.errors:
        raise DocumentInvalid(reader.problems.errors)
    return rule


def load_json(text: str | bytes) -> object:
    """JSON as an object, refusing what parsers disagree about.

    A member named twice, NaN and Infinity, too deep nesting, more than 20 MiB and bytes that
    are not UTF-8 raise DocumentInvalid.
    """
    if len(text) > MAX_BYTES:
        raise DocumentInvalid([DocumentError("", "too_large", _("The file is too large."))])
    try:
        return json.loads(text, object_pairs_hook=_members_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = _("Not readable as JSON: %(error)s") % {"error": shown(str(error))}
        raise DocumentInvalid([DocumentError("", "bad_json", message)]) from error


def _members_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")
