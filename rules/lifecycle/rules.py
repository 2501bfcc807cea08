"""Acts on single rules of the draft."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import author_id_of, begin, known_lists, locked_draft, record
from rules.models import Rule, RuleSet
from rules.parsing import parse_rule
from rules.storage import digest_of, rule_as_json, write_rules


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
        former = draft.rules.filter(key=replaces).first()
        if former is None:
            raise NotPossible(_("The rule “%(key)s” no longer exists.") % {"key": replaces})
        before = rule_as_json(former)
        if expected and digest_of(before) != expected:
            raise NotPossible(_("Somebody else changed this rule meanwhile; open it again."))
        former.delete()
    (stored,) = write_rules(draft, [rule], author_id=author_id_of(actor), known={}, note=note)
    record("ruleset.rule_saved", draft, field=f"rules.{rule.key}", old=before, new=rule.as_json())
    return stored


@transaction.atomic
def delete_rule(ruleset: RuleSet, key: str, actor: str) -> None:
    """Take a rule out of the draft. Raises NotPossible when it is not there."""
    begin(actor)
    draft = locked_draft(ruleset)
    rule = draft.rules.filter(key=key).first()
    if rule is None:
        raise NotPossible(_("The rule “%(key)s” no longer exists.") % {"key": key})
    before = rule_as_json(rule)
    rule.delete()
    record("ruleset.rule_deleted", draft, field=f"rules.{key}", old=before)
