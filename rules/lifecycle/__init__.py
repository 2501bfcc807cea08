"""Every act on rules and lists; the only place where either changes."""

from rules.lifecycle.common import known_lists
from rules.lifecycle.lists import (
    NewEntry,
    add_list_entries,
    change_list_entry,
    create_list,
    remove_list_entries,
    remove_list_entry,
)
from rules.lifecycle.rules import delete_rule, save_rule
from rules.lifecycle.rulesets import (
    discard_draft,
    import_document,
    open_draft,
    publish,
    rollback_to,
)

__all__ = [
    "NewEntry",
    "add_list_entries",
    "change_list_entry",
    "create_list",
    "delete_rule",
    "discard_draft",
    "import_document",
    "known_lists",
    "open_draft",
    "publish",
    "remove_list_entries",
    "remove_list_entry",
    "rollback_to",
    "save_rule",
]
