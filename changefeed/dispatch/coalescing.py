"""Which pending changes of one subject are told as one: pure, rows in and groups out."""

from collections.abc import Mapping, Sequence
from typing import Any

CHANGES_IN_VIEW = 200
"""So many pending changes of one subject are looked at together."""


def is_field_change(kind: str, field: str) -> bool:
    """Whether a change says only that a field has another value: `order.address_changed`.

    Anything else, `order.held` for one, is an event, though it may name a field.
    """
    return bool(field) and kind.endswith("changed")


def coalesce(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Changes of one subject, in order, grouped into what is told as one message.

    Changes of the same kind and field form a group, which takes the place of its newest change.
    An event stands alone, and nothing is drawn together across it.
    """
    groups: list[list[Mapping[str, Any]]] = []
    open_groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["kind"], row["field"])
        if not is_field_change(*key):
            open_groups = {}
            groups.append([row])
        elif key in open_groups:
            open_groups[key].append(row)
        else:
            open_groups[key] = [row]
            groups.append(open_groups[key])
    return sorted(groups, key=lambda group: int(group[-1]["seq"]))
