"""Pages of the rule desk in the admin."""

from rules.admin.backtests import BacktestRunAdmin
from rules.admin.lists import ListEntryAdmin, ReferenceListAdmin
from rules.admin.rules import RuleAdmin
from rules.admin.rulesets import RuleSetAdmin
from rules.admin.snoozes import RuleSnoozeAdmin

__all__ = [
    "BacktestRunAdmin",
    "ListEntryAdmin",
    "ReferenceListAdmin",
    "RuleAdmin",
    "RuleSetAdmin",
    "RuleSnoozeAdmin",
]
