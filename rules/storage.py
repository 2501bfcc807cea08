"""Between the stored rows of a draft and the document form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from django.db.models import Prefetch

from rules.document import LAYERS
from rules.document import Rule as DocumentRule
from rules.models import ConditionRow, Rule, RuleAction, RuleSet


def rule_as_json(rule: Rule) -> dict[str, object]:
    """A stored rule in document form, whether or not it is valid."""
    groups: dict[int, list[dict[str, object]]] = {}
    for row in rule.rows.all():
        entry: dict[str, object] = {"fact": row.fact, "op": row.op}
        if row.value is not None:
            entry["value"] = row.value
        groups.setdefault(row.group, []).append(entry)
    return {
        "key": rule.key,
        "name": rule.name,
        "layer": rule.layer,
        "priority": rule.priority,
        "when": [groups[number] for number in sorted(groups)],
        "then": [{"do": action.do, **action.params} for action in rule.actions.all()],
        "on_missing": rule.on_missing,
        "status": rule.status,
        "valid_from": rule.valid_from.isoformat() if rule.valid_from else None,
        "valid_until": rule.valid_until.isoformat() if rule.valid_until else None,
    }


def digest_of(raw: Mapping[str, object]) -> str:
    """What tells whether a rule is still the one that was shown."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:16]


def order_digest(order: Iterable[tuple[str, int]]) -> str:
    """What tells whether rules are still asked in the order shown; takes (key, priority)."""
    return hashlib.sha256(json.dumps(sorted(order)).encode()).hexdigest()[:16]


def ruleset_as_json(ruleset: RuleSet) -> dict[str, object]:
    """A version in document form: frozen if published, else from its rows."""
    if ruleset.document is not None:
        return dict(ruleset.document)
    rules = ruleset.rules.prefetch_related(
        Prefetch("rows", ConditionRow.objects.order_by("group", "position")),
        Prefetch("actions", RuleAction.objects.order_by("position")),
    )
    asked = sorted(rules, key=lambda r: (LAYERS.index(r.layer), r.priority, r.key))
    return {"rules": [rule_as_json(rule) for rule in asked]}


def authors_of(ruleset: RuleSet | None) -> dict[str, tuple[dict[str, object], int | None, str]]:
    """Per rule key of a version: its document form, its author and its note."""
    if ruleset is None:
        return {}
    rules = ruleset.rules.prefetch_related("rows", "actions")
    return {rule.key: (rule_as_json(rule), rule.author_id, rule.note) for rule in rules}


def write_rules(
    ruleset: RuleSet,
    rules: Iterable[DocumentRule],
    *,
    author_id: int | None,
    known: Mapping[str, tuple[dict[str, object], int | None, str]],
    note: str = "",
) -> list[Rule]:
    """Add rules to a draft; one that equals its known form keeps author and note."""
    rows: list[ConditionRow] = []
    actions: list[RuleAction] = []
    stored: list[Rule] = []
    for rule in rules:
        written = rule.as_json()
        before = known.get(rule.key)
        same = before is not None and before[0] == written
        record = Rule(
            ruleset=ruleset,
            key=rule.key,
            name=rule.name,
            layer=rule.layer,
            priority=rule.priority,
            on_missing=rule.on_missing,
            status=rule.status,
            valid_from=rule.valid_from,
            valid_until=rule.valid_until,
            author_id=before[1] if same and before is not None else author_id,
            note=before[2] if same and before is not None else note,
        )
        stored.append(record)
        rows += [
            ConditionRow(rule=record, group=group, position=position, **_row_fields(row.as_json()))
            for group, group_rows in enumerate(rule.when)
            for position, row in enumerate(group_rows)
        ]
        actions += [
            RuleAction(rule=record, position=position, do=action.do, params=params)
            for position, action in enumerate(rule.then)
            for params in [{k: v for k, v in action.as_json().items() if k != "do"}]
        ]
    Rule.objects.bulk_create(stored)
    ConditionRow.objects.bulk_create(rows)
    RuleAction.objects.bulk_create(actions)
    return stored


def _row_fields(written: dict[str, object]) -> dict[str, object]:
    return {"fact": written["fact"], "op": written["op"], "value": written.get("value")}
