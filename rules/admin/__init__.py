"""Pages of the rule desk in the admin."""

from rules.admin.lists import ListEntryAdmin, ReferenceListAdmin
from rules.admin.rules import RuleAdmin
from rules.admin.rulesets import RuleSetAdmin

__all__ = ["ListEntryAdmin", "ReferenceListAdmin", "RuleAdmin", "RuleSetAdmin"]
