"""What an import would do to a list: new, changed, unchanged and removed entries; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from rules.normalization import skeleton


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A value to put on a list."""

    value: str
    reason: str = ""
    expires_at: datetime | None = None


Old = TypeVar("Old")
"""An entry that is on a list: it has a value, a skeleton, a reason and an expiry."""


@dataclass(frozen=True, slots=True)
class ListChange(Generic[Old]):
    """How a list would differ; false when it would not. `changed` are pairs of old and new."""

    added: tuple[NewEntry, ...]
    changed: tuple[tuple[Old, NewEntry], ...]
    unchanged: int
    removed: tuple[Old, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def compare(
    on_list: Iterable[Old], wanted: Sequence[NewEntry], *, replace: bool
) -> ListChange[Old]:
    """What putting `wanted` on a list does; with `replace` nothing else stays on it.

    Values are the same however they are spelt, and the stored spelling stays. Of two wanted
    entries for one value the last counts.
    """
    known: dict[str, Any] = {old.skeleton: old for old in cast("Iterable[Any]", on_list)}
    asked = {skeleton(new.value): new for new in wanted}
    changed = tuple(
        (old, new)
        for skel, new in asked.items()
        if (old := known.get(skel)) is not None
        and (old.reason, old.expires_at) != (new.reason, new.expires_at)
    )
    added = tuple(new for skel, new in asked.items() if skel not in known)
    removed = tuple(old for skel, old in known.items() if replace and skel not in asked)
    return ListChange(added, changed, len(asked) - len(added) - len(changed), removed)
