"""Acts on whole versions: draft, import, publish, roll back."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from rules.document import Document
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import (
    announce,
    author_id_of,
    begin,
    database_now,
    in_state,
    known_lists,
    locked,
    locked_draft,
    record,
    rows_open_for,
)
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document
from rules.storage import authors_of, ruleset_as_json, write_rules


@transaction.atomic
def import_document(document: object, actor: str, *, note: str = "") -> RuleSet:
    """Replace the draft by a document, all or nothing.

    `document` is the JSON form or a Document. Rules that are as in the live version keep
    their author. Raises DocumentInvalid with every error.
    """
    begin(actor)
    raw = document.as_json() if isinstance(document, Document) else document
    parsed = parse_document(raw, catalogue, known_lists())
    live = in_state(RuleSetState.LIVE)
    draft = in_state(RuleSetState.DRAFT) or _new_draft(actor, live)
    draft.rules.all().delete()
    draft.based_on = live.version if live else None
    draft.note = note
    draft.save(update_fields=["based_on", "note"])
    write_rules(draft, parsed.rules, author_id=author_id_of(actor), known=authors_of(live))
    record("ruleset.imported", draft, field="rules", new=len(parsed.rules))
    return draft


@transaction.atomic
def open_draft(actor: str, source: RuleSet | None = None) -> RuleSet:
    """The draft, made from `source` (by default the live version) when there is none.

    Raises NotPossible when a draft exists and another version was asked for.
    """
    begin(actor)
    draft = in_state(RuleSetState.DRAFT)
    if draft is not None:
        if source is None or source.pk == draft.pk or source.version == draft.based_on:
            return draft
        raise NotPossible(
            _("Version %(version)d is already being edited; publish or discard it first.")
            % {"version": draft.version}
        )
    source = locked(source) if source is not None else in_state(RuleSetState.LIVE)
    draft = _new_draft(actor, source)
    if source is not None:
        document = parse_document(ruleset_as_json(source), catalogue)
        known = authors_of(source)
        write_rules(draft, document.rules, author_id=author_id_of(actor), known=known)
    record("ruleset.draft_opened", draft, field="based_on", new=draft.based_on)
    return draft


@transaction.atomic
def discard_draft(ruleset: RuleSet, actor: str) -> None:
    """Throw a draft away."""
    begin(actor)
    draft = locked_draft(ruleset)
    record("ruleset.draft_discarded", draft)
    draft.delete()


@transaction.atomic
def publish(ruleset: RuleSet, actor: str, note: str = "") -> RuleSet:
    """Freeze the draft and put it in force; the former live version retires.

    Raises DocumentInvalid when a rule is wrong, NotPossible when it is no draft any more or
    has no rules; the live version is then untouched.
    """
    begin(actor)
    draft = locked_draft(ruleset)
    document = parse_document(ruleset_as_json(draft), catalogue, known_lists())
    if not document.rules:
        raise NotPossible(_("A rule set without rules cannot be published."))
    former = _retire_live()
    draft.mark_live(document.as_json(), actor=actor, at=database_now(), note=note)
    draft.save()
    record("ruleset.published", draft, field="live_version", old=former, new=draft.version)
    announce()
    return draft


@transaction.atomic
def rollback_to(ruleset: RuleSet, actor: str, note: str = "") -> RuleSet:
    """Put the rules of an earlier version in force again, as a new version.

    An open draft stays as it is. Raises NotPossible for a draft or the live version, and
    DocumentInvalid when the old rules name what no longer exists.
    """
    begin(actor)
    earlier = locked(ruleset)
    if earlier.state != RuleSetState.RETIRED:
        raise NotPossible(
            _("Version %(version)d is not a retired version.") % {"version": earlier.version}
        )
    document = parse_document(earlier.document, catalogue, known_lists())
    former = _retire_live()
    again = _restored(earlier, document, actor, note)
    record("ruleset.rolled_back", again, field="live_version", old=former, new=again.version)
    announce()
    return again


def _restored(earlier: RuleSet, document: Document, actor: str, note: str) -> RuleSet:
    """A live version with the rules of `earlier`, rows and frozen document.

    Born live, since a draft that people edit may hold the one place for drafts.
    """
    now = database_now()
    again = RuleSet.objects.create(
        version=_next_version(),
        state=RuleSetState.LIVE,
        based_on=earlier.version,
        note=note,
        document=document.as_json(),
        created_by=actor,
        published_by=actor,
        published_at=now,
        approved_by=actor,
        live_at=now,
    )
    with rows_open_for(again):
        write_rules(again, document.rules, author_id=author_id_of(actor), known=authors_of(earlier))
    return again


def _retire_live() -> int | None:
    live = in_state(RuleSetState.LIVE)
    if live is None:
        return None
    live.mark_retired(at=database_now())
    live.save()
    return int(live.version)


def _new_draft(actor: str, source: RuleSet | None) -> RuleSet:
    return RuleSet.objects.create(
        version=_next_version(),
        based_on=source.version if source else None,
        created_by=actor,
    )


def _next_version() -> int:
    latest = RuleSet.objects.aggregate(latest=Max("version"))["latest"]
    return int(latest or 0) + 1
