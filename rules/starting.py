"""The rules and lists that the product ships with, and how they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction

from rules.lifecycle import NewEntry, add_list_entries, create_list, import_document, publish
from rules.models import RuleSet
from rules.parsing import load_json

_FOLDER = Path(__file__).parent / "starter"
NOTE = "starter rules"


def starter_document() -> Any:
    """The shipped rules in document form."""
    return load_json((_FOLDER / "rules.json").read_bytes())


def starter_lists() -> list[dict[str, Any]]:
    """The shipped lists: key, name, kind and entries."""
    raw: Any = load_json((_FOLDER / "lists.json").read_bytes())
    lists: list[dict[str, Any]] = raw["lists"]
    return lists


@transaction.atomic
def load_starter(actor: str) -> RuleSet | None:
    """Make the shipped lists where they are missing, and publish the shipped rules.

    Lists that exist keep their entries. The rules are published only where no version ever
    was; else None.
    """
    for raw in starter_lists():
        reference_list = create_list(raw["key"], raw["name"], actor, raw["kind"])
        if reference_list.version == 0:
            entries = [NewEntry(entry["value"], entry["reason"]) for entry in raw["entries"]]
            add_list_entries(reference_list, entries, actor)
    if RuleSet.objects.exists():
        return None
    return publish(import_document(starter_document(), actor, note=NOTE), actor, NOTE)
