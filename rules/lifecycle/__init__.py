"""Every act on rules and lists; the only place where either changes."""

from rules.lifecycle.common import known_lists
from rules.lifecycle.drafts import discard_draft, import_document, open_draft
from rules.lifecycle.lists import (
    NewEntry,
    add_list_entries,
    change_list_entry,
    create_list,
    remove_list_entries,
    remove_list_entry,
    replace_list_entries,
    restore_list_entries,
    take_list_entries,
)
from rules.lifecycle.rules import delete_rule, reorder_rules, save_rule, set_rule_status
from rules.lifecycle.rulesets import end_shadow, promote, publish, rollback_to, start_shadow
from rules.lifecycle.schedules import publish_scheduled, schedule, unschedule
from rules.lifecycle.snoozes import end_snooze, snooze_rule
from rules.lifecycle.switches import set_fraud_mode

__all__ = [
    "NewEntry",
    "add_list_entries",
    "change_list_entry",
    "create_list",
    "delete_rule",
    "discard_draft",
    "end_shadow",
    "end_snooze",
    "import_document",
    "known_lists",
    "open_draft",
    "promote",
    "publish",
    "publish_scheduled",
    "remove_list_entries",
    "remove_list_entry",
    "reorder_rules",
    "replace_list_entries",
    "restore_list_entries",
    "rollback_to",
    "save_rule",
    "schedule",
    "set_fraud_mode",
    "set_rule_status",
    "snooze_rule",
    "start_shadow",
    "take_list_entries",
    "unschedule",
]
