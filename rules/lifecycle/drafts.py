"""Acts on the draft as a whole: open, import, discard."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from rules.document import Document
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import (
    author_id_of,
    begin,
    in_state,
    known_lists,
    locked,
    locked_draft,
    record,
)
from rules.lifecycle.editing import touch
from rules.lifecycle.versions import new_draft
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
    draft = in_state(RuleSetState.DRAFT) or new_draft(actor, live)
    draft.rules.all().delete()
    draft.based_on = live.version if live else None
    draft.note = note
    draft.save(update_fields=["based_on", "note"])
    touch(draft, actor)
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
    draft = new_draft(actor, source)
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
