"""Stored rules: versions of the rule set, its rules, the lists they name, and runs over history."""

from rules.models.backtests import BacktestRun, BacktestState
from rules.models.lists import ListEntry, ReferenceList
from rules.models.rulesets import ConditionRow, Rule, RuleAction, RuleSet, RuleSetState
from rules.models.snoozes import RuleSnooze

__all__ = [
    "BacktestRun",
    "BacktestState",
    "ConditionRow",
    "ListEntry",
    "ReferenceList",
    "Rule",
    "RuleAction",
    "RuleSet",
    "RuleSetState",
    "RuleSnooze",
]
