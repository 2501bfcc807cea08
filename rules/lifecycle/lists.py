"""Acts on reference lists."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from changefeed.recording import act_as, record_change
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.lifecycle.common import announce
from rules.list_changes import ListChange, NewEntry, compare
from rules.models import ListEntry, ReferenceList
from rules.models.lists import ListKind
from rules.normalization import skeleton
from rules.problems import Problems

MAX_LENGTH = 500
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an import: `removed` are the entries taken off, by the key of their list."""

    added: int = 0
    changed: int = 0
    removed: dict[str, list[NewEntry]] = field(default_factory=dict)


@transaction.atomic
def create_list(key: str, name: str, actor: str, kind: str = ListKind.OTHER) -> ReferenceList:
    """The list of that key, made when there is none. Raises DocumentInvalid."""
    act_as(actor)
    found = Problems()
    found.slug(key, "key")
    found.text(name, "name", limit=200)
    found.one_of(kind, "kind", "bad_choice", ListKind.values)
    if found.errors:
        raise DocumentInvalid(found.errors)
    reference_list, is_new = ReferenceList.objects.get_or_create(
        key=key, defaults={"name": name, "kind": kind}
    )
    if is_new:
        _record("list.created", reference_list)
        announce()
    return reference_list


@transaction.atomic
def add_list_entries(
    reference_list: ReferenceList, entries: Iterable[NewEntry | str], actor: str
) -> int:
    """Put values on a list and say how many were new.

    A value already there, however spelt, takes the reason and expiry given now. Raises
    DocumentInvalid naming every value that cannot be taken; then nothing is added.
    """
    act_as(actor)
    locked = _locked(reference_list)
    rows = _rows(locked, entries, actor)
    known = {
        entry.skeleton: entry
        for entry in locked.entries.filter(skeleton__in=list(rows)).select_for_update()
    }
    new = [row for skel, row in rows.items() if skel not in known]
    changed = []
    for skel, row in rows.items():
        entry = known.get(skel)
        if entry and (entry.reason, entry.expires_at) != (row.reason, row.expires_at):
            entry.reason, entry.expires_at = row.reason, row.expires_at
            changed.append(entry)
    ListEntry.objects.bulk_create(new, batch_size=_BATCH)
    ListEntry.objects.bulk_update(changed, ["reason", "expires_at"], batch_size=_BATCH)
    if new or changed:
        counts = {"added": len(new), "changed": len(changed)}
        _touch(locked, "list.entries_added", counts)
    return len(new)


@transaction.atomic
def replace_list_entries(
    reference_list: ReferenceList,
    entries: Iterable[NewEntry],
    actor: str,
    *,
    expected: int | None = None,
) -> Taken:
    """Make a list exactly these entries; what they do not name is taken off.

    See `take_list_entries`, which does the same for several lists at once.
    """
    wanted = {reference_list.key: list(entries)}
    seen = {} if expected is None else {reference_list.key: expected}
    return take_list_entries(wanted, actor, replace=True, expected=seen)


@transaction.atomic
def take_list_entries(
    wanted: Mapping[str, Sequence[NewEntry]],
    actor: str,
    *,
    replace: bool = False,
    expected: Mapping[str, int] | None = None,
) -> Taken:
    """Put entries on lists by key, all or none; with `replace` they are all that stays.

    `expected` are the versions that were looked at before: NotPossible when a list changed
    since. Repeating it changes nothing and is no error. Raises DocumentInvalid naming every
    value that cannot be taken, or NotPossible for a list that is gone.
    """
    act_as(actor)
    found = ReferenceList.objects.filter(key__in=wanted).order_by("pk").select_for_update()
    lists = list(found)
    if missing := set(wanted) - {each.key for each in lists}:
        raise NotPossible(_("There is no list “%(list)s”.") % {"list": min(missing)})
    changes = {}
    for locked in lists:
        rows = _rows(locked, wanted[locked.key], actor)
        on_list = list(locked.entries.select_for_update().order_by("pk"))
        entries = [NewEntry(row.value, row.reason, row.expires_at) for row in rows.values()]
        change = compare(on_list, entries, replace=replace)
        if change and (expected or {}).get(locked.key, locked.version) != locked.version:
            raise NotPossible(
                _("The list “%(list)s” was changed meanwhile. Look at the preview again.")
                % {"list": locked.name}
            )
        changes[locked] = change
    for locked, change in changes.items():
        _apply(locked, change, actor)
    return Taken(
        added=sum(len(change.added) for change in changes.values()),
        changed=sum(len(change.changed) for change in changes.values()),
        removed={
            locked.key: [NewEntry(old.value, old.reason, old.expires_at) for old in change.removed]
            for locked, change in changes.items()
            if change.removed
        },
    )


def _apply(locked: ReferenceList, change: ListChange[ListEntry], actor: str) -> None:
    if not change:
        return
    for old, new in change.changed:
        old.reason, old.expires_at = new.reason, new.expires_at
    ListEntry.objects.bulk_create(_rows(locked, change.added, actor).values(), batch_size=_BATCH)
    ListEntry.objects.bulk_update(
        [old for old, _new in change.changed], ["reason", "expires_at"], batch_size=_BATCH
    )
    locked.entries.filter(pk__in=[old.pk for old in change.removed]).delete()
    counts = {"added": len(change.added), "changed": len(change.changed)}
    if change.removed:
        counts["removed"] = len(change.removed)
    _touch(locked, "list.entries_replaced" if change.removed else "list.entries_added", counts)


@transaction.atomic
def restore_list_entries(
    reference_list: ReferenceList, entries: Sequence[NewEntry], actor: str
) -> int:
    """Put back what was taken off, and say how many; what came back meanwhile stays as it is."""
    act_as(actor)
    locked = _locked(reference_list)
    rows = _rows(locked, entries, actor)
    there = set(locked.entries.filter(skeleton__in=list(rows)).values_list("skeleton", flat=True))
    new = [row for skel, row in rows.items() if skel not in there]
    ListEntry.objects.bulk_create(new, batch_size=_BATCH)
    if new:
        _touch(locked, "list.entries_restored", {"added": len(new)})
    return len(new)


@transaction.atomic
def change_list_entry(
    entry: ListEntry, actor: str, *, reason: str, expires_at: datetime | None
) -> ListEntry:
    """Give an entry another reason and expiry."""
    act_as(actor)
    locked = _locked(entry.list)
    found = ListEntry.objects.select_for_update().filter(pk=entry.pk).first()
    if found is None:
        raise NotPossible(_("This entry is no longer on the list."))
    if (found.reason, found.expires_at) != (reason, expires_at):
        found.reason, found.expires_at = reason, expires_at
        found.save(update_fields=["reason", "expires_at"])
        _touch(locked, "list.entry_changed", {"changed": 1})
    return found


def remove_list_entry(entry: ListEntry, actor: str) -> None:
    """Take one value off its list."""
    remove_list_entries(entry.list, [entry.pk], actor)


@transaction.atomic
def remove_list_entries(
    reference_list: ReferenceList, entry_ids: Collection[int], actor: str
) -> int:
    """Take values off a list and say how many were on it."""
    act_as(actor)
    locked = _locked(reference_list)
    removed, _by_model = locked.entries.filter(pk__in=entry_ids).delete()
    if removed:
        _touch(locked, "list.entries_removed", {"removed": removed})
    return removed


def _locked(reference_list: ReferenceList) -> ReferenceList:
    try:
        return ReferenceList.objects.select_for_update().get(pk=reference_list.pk)
    except ReferenceList.DoesNotExist:
        raise NotPossible(_("This list no longer exists.")) from None


def _rows(
    reference_list: ReferenceList, entries: Iterable[NewEntry | str], actor: str
) -> dict[str, ListEntry]:
    rows: dict[str, ListEntry] = {}
    errors = []
    for number, given in enumerate(entries):
        entry = NewEntry(given) if isinstance(given, str) else given
        value = visible(entry.value)
        skel = skeleton(value)
        if not skel:
            errors.append((number, "blank", _("This field must not be empty.")))
        elif max(len(value), len(skel), len(entry.reason)) > MAX_LENGTH:
            message = _("At most %(limit)d characters.") % {"limit": MAX_LENGTH}
            errors.append((number, "too_long", message))
        else:
            rows[skel] = ListEntry(
                list=reference_list,
                value=value,
                skeleton=skel,
                reason=visible(entry.reason),
                expires_at=entry.expires_at,
                added_by=actor,
            )
    if errors:
        raise DocumentInvalid(
            [DocumentError(f"entries[{place}].value", code, text) for place, code, text in errors]
        )
    return rows


def visible(text: str) -> str:
    """Text as people see it: without control and format characters, trimmed."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()


def _touch(reference_list: ReferenceList, kind: str, counts: dict[str, int]) -> None:
    """Raise the version; the feed is told how many values changed, never which."""
    ReferenceList.objects.filter(pk=reference_list.pk).update(
        version=F("version") + 1, changed_at=Now()
    )
    reference_list.refresh_from_db(fields=["version", "changed_at"])
    _record(kind, reference_list, counts)
    announce()


def _record(kind: str, reference_list: ReferenceList, counts: dict[str, int] | None = None) -> None:
    record_change(
        kind,
        subject_kind="list",
        subject_id=reference_list.key,
        subject_version=reference_list.version,
        field="entries" if counts else "",
        new=counts,
    )
