"""What the conflict analysis finds about the rule being written, in words and with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Document, Rule
from rules.draft import draft_document
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.live import load_lists
from rules.models import Rule as StoredRule
from rules.models import RuleSet
from rules.sentences import action_phrase, value_phrase
from rules.wording import SLOT_LABELS

MOST = 20


def findings_in_words(rule: Rule, ruleset: RuleSet | None, was: str) -> list[dict[str, Any]] | None:
    """Findings about `rule` among the rules of the version, in place of the one of key `was`."""
    try:
        from rules.analysis import check
        from rules.analysis.wording import sentence_for_finding
    except ImportError:
        return None
    document = with_rule(draft_document(ruleset), rule, was)
    lists = load_lists(document)
    at = timezone.now()
    report = check(document, lists, at=at, focus=rule.key)
    addresses = _addresses(ruleset, report.findings[:MOST])
    return [
        {
            "sentence": sentence_for_finding(finding, document),
            **_described(finding, document, rule.key, addresses),
            **_proof(finding, document, lists, at),
        }
        for finding in report.findings[:MOST]
    ]


def with_rule(document: Document, rule: Rule, was: str) -> Document:
    """The document with the rule put in, in place of the one that had the key `was`."""
    others = tuple(other for other in document.rules if other.key not in (rule.key, was))
    return Document((*others, rule))


def _addresses(ruleset: RuleSet | None, findings: Sequence[Any]) -> dict[str, str]:
    keys = {key for finding in findings for key in finding.rules}
    stored = StoredRule.objects.filter(ruleset=ruleset, key__in=keys).values_list("key", "pk")
    return {key: reverse("admin:rules_rule_change", args=[pk]) for key, pk in stored}


def _described(
    finding: Any, document: Document, own: str, addresses: dict[str, str]
) -> dict[str, Any]:
    names = {rule.key: rule.name for rule in document.rules}
    others = [key for key in finding.rules if key != own and key in addresses]
    return {
        "kind": finding.kind,
        "level": finding.level,
        "label": _level(finding.level),
        "rules": [{"name": names.get(key, key), "url": addresses[key]} for key in others],
    }


def _proof(
    finding: Any, document: Document, lists: dict[str, ListSnapshot], at: datetime
) -> dict[str, Any]:
    """The witness as labels and values, and what the rules decide about it."""
    if finding.witness is None:
        return {"witness": [], "decision": []}
    facts = catalogue.read(finding.witness)[0]
    decision = compile_rules(document, lists).decide(facts, finding.at or at)
    shown = []
    for key, value in facts.items():
        fact = catalogue.get(key)
        shown.append([str(fact.label) if fact is not None else key, value_phrase(key, value)])
    return {"witness": shown, "decision": decision_in_words(decision)}


def decision_in_words(decision: Decision) -> list[str]:
    """What a dry run says, a line each: who holds the case, or where it goes."""
    names = {match.rule_key: match.rule_name for match in decision.matches}
    if decision.intercept is not None:
        held = decision.intercept
        action = action_phrase(held.actions[0])
        return [_("“%(rule)s”: %(what)s") % {"rule": held.rule_name, "what": action}]
    lines = [
        _("“%(rule)s”: %(what)s")
        % {
            "rule": names.get(key, key),
            "what": _("set %(slot)s to %(value)s") % {"slot": SLOT_LABELS[slot], "value": value},
        }
        for slot, (value, key) in decision.slots.items()
    ]
    lines += [_("add the tag %(tag)s") % {"tag": tag} for tag in decision.tags]
    lines += [_("do %(effect)s once") % {"effect": key} for key, _rule in decision.effects]
    if decision.dispatch:
        lines.append(_("push to logistics once"))
    return lines or [_("No rule acts on it.")]


def _level(level: str) -> str:
    return {"error": _("Error"), "warning": _("Warning")}.get(level, _("Good to know"))
