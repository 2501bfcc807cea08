"""The rules of a version as a page shows them: layers from top to bottom, sentences, mistakes."""

from __future__ import annotations

from typing import Any

from rules.document import LAYERS
from rules.errors import DocumentError, DocumentInvalid
from rules.facts import catalogue
from rules.lifecycle import known_lists
from rules.models import Rule, RuleSet
from rules.models.rulesets import Layer
from rules.parsing import parse_document, parse_rule
from rules.sentences import sentence_for_rule
from rules.storage import digest_of, order_digest, rule_as_json, ruleset_as_json
from rules.wording import LAYER_HINTS


def layers_of(ruleset: RuleSet) -> list[dict[str, Any]]:
    """The four layers from top to bottom, each with its rules in asked order.

    `order` tells the act of reordering which order was shown, `digest` the act on a rule
    which rule; `up` and `down` are the orders after one step.
    """
    rules: dict[str, list[Rule]] = {layer: [] for layer in LAYERS}
    found = ruleset.rules.prefetch_related("rows", "actions").order_by("priority", "key")
    for rule in found:
        rules[rule.layer].append(rule)
    return [
        {
            "key": layer,
            "label": Layer(layer).label,
            "hint": LAYER_HINTS[layer],
            "order": order_digest((rule.key, rule.priority) for rule in rules[layer]),
            "rules": [_item(rule, rules[layer], place) for place, rule in enumerate(rules[layer])],
        }
        for layer in LAYERS
    ]


def mistakes_in(ruleset: RuleSet) -> tuple[DocumentError, ...]:
    """Everything that keeps a version from going live."""
    try:
        parse_document(ruleset_as_json(ruleset), catalogue, known_lists())
    except DocumentInvalid as error:
        return error.errors
    return ()


def _item(rule: Rule, layer: list[Rule], place: int) -> dict[str, Any]:
    written = rule_as_json(rule)
    keys = [other.key for other in layer]
    return {
        "rule": rule,
        "sentence": _sentence(written),
        "acts": rule.status == "live",
        "digest": digest_of(written),
        "up": _moved(keys, place, place - 1) if place else "",
        "down": _moved(keys, place, place + 1) if place + 1 < len(keys) else "",
    }


def _moved(keys: list[str], place: int, to: int) -> str:
    order = [*keys[:place], *keys[place + 1 :]]
    order.insert(to, keys[place])
    return " ".join(order)


def _sentence(written: dict[str, object]) -> str:
    try:
        return sentence_for_rule(parse_rule(written, catalogue))
    except DocumentInvalid:
        return ""
