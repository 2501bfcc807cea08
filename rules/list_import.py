"""From the rows of a file to what they would do: every mistake with its row, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from rules.lifecycle.lists import MAX_LENGTH, visible
from rules.list_changes import ListChange, NewEntry, compare
from rules.list_files import Row, expiry, text_of
from rules.models import ListEntry, ReferenceList
from rules.normalization import skeleton


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one row of the file."""

    number: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for rows that do not say it: their list, and what is typed beside the lines."""

    list: ReferenceList | None = None
    reason: str = ""
    expires_at: datetime | None = None


@dataclass(slots=True)
class Preview:
    """What an import would do to each list, or the mistakes that keep it from doing anything."""

    errors: list[RowError] = field(default_factory=list)
    wanted: dict[str, list[NewEntry]] = field(default_factory=dict)
    lists: dict[str, ReferenceList] = field(default_factory=dict)
    changes: dict[str, ListChange[ListEntry]] = field(default_factory=dict)

    @property
    def does_anything(self) -> bool:
        """Whether any list would differ."""
        return any(self.changes.values())

    @property
    def expected(self) -> dict[str, int]:
        """The versions of the lists that were looked at."""
        return {key: self.lists[key].version for key in self.wanted}


def preview(rows: Sequence[Row], defaults: Defaults, *, replace: bool) -> Preview:
    """What the rows would do; three queries, whatever their number.

    An entry keeps the reason and expiry it has where the file has no such column.
    """
    found = Preview(lists={each.key: each for each in ReferenceList.objects.all()})
    named = {_list_key(row, defaults) for row in rows} | (
        {defaults.list.key} if defaults.list else set()
    )
    on_lists: dict[str, list[ListEntry]] = {key: [] for key in named if key in found.lists}
    entries = ListEntry.objects.filter(list__key__in=on_lists).select_related("list")
    for entry in entries.order_by("pk"):
        on_lists[entry.list.key].append(entry)
    known = {(key, entry.skeleton): entry for key, kept in on_lists.items() for entry in kept}
    for row in rows:
        _take(row, defaults, known, found)
    if defaults.list is not None:
        found.wanted.setdefault(defaults.list.key, [])
    if not found.errors:
        found.changes = {
            key: compare(on_lists[key], wanted, replace=replace)
            for key, wanted in found.wanted.items()
        }
    return found


def _list_key(row: Row, defaults: Defaults) -> str:
    return text_of(row.list).strip() or (defaults.list.key if defaults.list else "")


def _take(
    row: Row,
    defaults: Defaults,
    known: Mapping[tuple[str, str], ListEntry],
    found: Preview,
) -> None:
    """The entry of one row into the preview, or its mistakes."""
    wrong = len(found.errors)
    key = _list_key(row, defaults)
    if key not in found.lists:
        message = (
            _("There is no list “%(list)s”.") % {"list": key[:64]}
            if key
            else _("Say which list, in a column “list” or in the form.")
        )
        found.errors.append(RowError(row.number, "list", message))
    elif defaults.list is not None and key != defaults.list.key:
        message = _("This row is for the list “%(list)s”.") % {"list": found.lists[key].name}
        found.errors.append(RowError(row.number, "list", message))
    value, reason = visible(text_of(row.value)), visible(text_of(row.reason))
    skel = skeleton(value)
    if not skel:
        found.errors.append(RowError(row.number, "value", _("This field must not be empty.")))
    elif max(len(value), len(skel), len(reason)) > MAX_LENGTH:
        message = _("At most %(limit)d characters.") % {"limit": MAX_LENGTH}
        found.errors.append(RowError(row.number, "value", message))
    expires_at = None
    try:
        expires_at = expiry(row.expires_at, ZoneInfo(settings.SHOP_TIME_ZONE))
    except ValueError:
        message = _("Expected a time such as 2026-06-18 00:00:00.")
        found.errors.append(RowError(row.number, "expires_at", message))
    if len(found.errors) > wrong:
        return
    old = known.get((key, skel))
    if row.reason is None:
        reason = defaults.reason or (old.reason if old else "")
    if row.expires_at is None:
        expires_at = defaults.expires_at or (old.expires_at if old else None)
    found.wanted.setdefault(key, []).append(NewEntry(value, reason, expires_at))
