"""Acts on single rules of the draft, and on the order in which they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from rules.document import LAYERS, STATUSES
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import author_id_of, begin, known_lists, locked_draft, record
from rules.lifecycle.editing import touch
from rules.models import Rule, RuleSet
from rules.parsing import parse_rule
from rules.storage import digest_of, order_digest, rule_as_json, write_rules

STEP = 10
"""Priorities given by dragging are 10, 20, 30 …, so that a rule fits in between by hand."""


@transaction.atomic
def save_rule(
    ruleset: RuleSet,
    raw: Mapping[str, object],
    actor: str,
    *,
    replaces: str = "",
    expected: str = "",
    note: str = "",
) -> Rule:
    """Add a rule in document form to the draft, in place of the rule of key `replaces`.

    `expected` is the digest of the rule as it was when it was shown. Raises DocumentInvalid
    with paths that start at the rule; NotPossible when the version is published, or the rule
    to replace is gone or another than expected.
    """
    begin(actor)
    draft = locked_draft(ruleset)
    rule = parse_rule(raw, catalogue, known_lists())
    if rule.key != replaces and draft.rules.filter(key=rule.key).exists():
        message = _("Another rule already has this key.")
        raise DocumentInvalid([DocumentError("key", "duplicate_key", message)])
    before = None
    if replaces:
        former = _rule(draft, replaces)
        before = _unchanged(former, expected)
        former.delete()
    (stored,) = write_rules(draft, [rule], author_id=author_id_of(actor), known={}, note=note)
    touch(draft, actor)
    record("ruleset.rule_saved", draft, field=f"rules.{rule.key}", old=before, new=rule.as_json())
    return stored


@transaction.atomic
def delete_rule(ruleset: RuleSet, key: str, actor: str) -> None:
    """Take a rule out of the draft. Raises NotPossible when it is not there."""
    begin(actor)
    draft = locked_draft(ruleset)
    rule = _rule(draft, key)
    before = rule_as_json(rule)
    rule.delete()
    touch(draft, actor)
    record("ruleset.rule_deleted", draft, field=f"rules.{key}", old=before)


@transaction.atomic
def set_rule_status(
    ruleset: RuleSet, key: str, status: str, actor: str, *, expected: str = ""
) -> Rule:
    """Give a rule of the draft another status; the same again changes nothing.

    `expected` is the digest of the rule as it was shown. Raises DocumentInvalid for a status
    that does not exist, NotPossible as `save_rule` does.
    """
    if status not in STATUSES:
        message = _("There is no such status.")
        raise DocumentInvalid([DocumentError("status", "unknown_status", message)])
    begin(actor)
    draft = locked_draft(ruleset)
    rule = _rule(draft, key)
    if rule.status == status:
        return rule
    _unchanged(rule, expected)
    before, rule.status = rule.status, status
    rule.save(update_fields=["status"])
    touch(draft, actor)
    record("ruleset.rule_saved", draft, field=f"rules.{key}.status", old=before, new=status)
    return rule


@transaction.atomic
def reorder_rules(
    ruleset: RuleSet, layer: str, keys: Sequence[str], actor: str, *, expected: str = ""
) -> list[Rule]:
    """Ask the rules of a layer in the order of `keys`: priorities become 10, 20, 30 …

    `expected` is the `order_digest` of the layer as it was shown. Raises NotPossible when the
    layer has other rules or another order by now, and when `keys` are not exactly its rules.
    """
    begin(actor)
    draft = locked_draft(ruleset)
    rules = {rule.key: rule for rule in draft.rules.filter(layer=layer)}
    if layer not in LAYERS or sorted(keys) != sorted(rules):
        raise NotPossible(_("The rules of this layer changed meanwhile; look at them again first."))
    shown = order_digest((rule.key, rule.priority) for rule in rules.values())
    if expected and shown != expected:
        raise NotPossible(
            _("Somebody else put these rules into another order meanwhile; look again first.")
        )
    before = {rule.key: rule.priority for rule in rules.values()}
    moved = []
    for place, key in enumerate(keys, start=1):
        if rules[key].priority != place * STEP:
            rules[key].priority = place * STEP
            moved.append(rules[key])
    if moved:
        Rule.objects.bulk_update(moved, ["priority"])
        touch(draft, actor)
        after = {rule.key: rule.priority for rule in rules.values()}
        record("ruleset.reordered", draft, field=f"layers.{layer}", old=before, new=after)
    return [rules[key] for key in keys]


def _rule(draft: RuleSet, key: str) -> Rule:
    rule = draft.rules.filter(key=key).first()
    if rule is None:
        raise NotPossible(_("The rule “%(key)s” no longer exists.") % {"key": key})
    return rule


def _unchanged(rule: Rule, expected: str) -> dict[str, object]:
    """The rule in document form; NotPossible when its digest is not the expected one."""
    written = rule_as_json(rule)
    if expected and digest_of(written) != expected:
        raise NotPossible(_("Somebody else changed this rule meanwhile; open it again."))
    return written
