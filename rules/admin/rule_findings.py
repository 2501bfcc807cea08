"""What the conflict analysis finds about the rule being written, in words and with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from rules.analysis import Finding, check
from rules.analysis.wording import KIND_LABELS, sentence_for_finding
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
BUDGET_SECONDS = 1.5
"""Somebody is typing; what takes longer is settled by the check of the whole version."""


def findings_in_words(
    rule: Rule, ruleset: RuleSet | None, was: str
) -> tuple[list[dict[str, Any]], bool]:
    """Findings about `rule` among the rules of the version, and whether all was looked at.

    The rule takes the place of the one of key `was`, or joins the others.
    """
    document = with_rule(draft_document(ruleset), rule, was)
    lists = load_lists(document)
    at = timezone.now()
    report = check(document, lists, at=at, focus=rule.key, budget_seconds=BUDGET_SECONDS)
    shown = report.findings[:MOST]
    addresses = _addresses(ruleset, shown)
    compiled = compile_rules(document, lists) if any(it.witness for it in shown) else None
    described = [
        {
            "kind": finding.kind,
            "level": finding.level,
            "label": capfirst(str(KIND_LABELS.get(finding.kind, finding.kind))),
            "sentence": sentence_for_finding(finding, document),
            "rules": _others(finding, document, rule.key, addresses),
            "witness": _witness(finding),
            "decision": decision_in_words(
                compiled.decide(catalogue.read(finding.witness)[0], finding.at or at)
            )
            if finding.witness is not None and compiled is not None
            else [],
        }
        for finding in shown
    ]
    return described, report.complete


def with_rule(document: Document, rule: Rule, was: str) -> Document:
    """The document with the rule put in, in place of the one that had the key `was`."""
    others = tuple(other for other in document.rules if other.key not in (rule.key, was))
    return Document((*others, rule))


def _addresses(ruleset: RuleSet | None, findings: Sequence[Finding]) -> dict[str, str]:
    keys = {key for finding in findings for key in finding.rules}
    stored = StoredRule.objects.filter(ruleset=ruleset, key__in=keys).values_list("key", "pk")
    return {key: reverse("admin:rules_rule_change", args=[pk]) for key, pk in stored}


def _others(
    finding: Finding, document: Document, own: str, addresses: dict[str, str]
) -> list[dict[str, str]]:
    names = {rule.key: rule.name for rule in document.rules}
    keys = dict.fromkeys(key for key in finding.rules if key != own and key in addresses)
    return [{"name": names.get(key, key), "url": addresses[key]} for key in keys]


def _witness(finding: Finding) -> list[list[str]]:
    """The facts of the order that proves it, as labels and values."""
    shown = []
    for key, value in catalogue.read(finding.witness or {})[0].items():
        fact = catalogue.get(key)
        shown.append([str(fact.label) if fact is not None else key, value_phrase(key, value)])
    return shown


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
