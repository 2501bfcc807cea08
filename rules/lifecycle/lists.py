"""Acts on reference lists."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from changefeed.recording import act_as, record_change
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.lifecycle.common import announce
from rules.models import ListEntry, ReferenceList
from rules.models.lists import ListKind
from rules.normalization import skeleton
from rules.problems import Problems

MAX_LENGTH = 500
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A value to put on a list."""

    value: str
    reason: str = ""
    expires_at: datetime | None = None


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
