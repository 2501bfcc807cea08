"""Stored rules: versions of the rule set, its rules, and the lists they name."""

from rules.models.lists import ListEntry, ReferenceList
from rules.models.rulesets import ConditionRow, Rule, RuleAction, RuleSet, RuleSetState

__all__ = [
    "ConditionRow",
    "ListEntry",
    "ReferenceList",
    "Rule",
    "RuleAction",
    "RuleSet",
    "RuleSetState",
]
