"""What the acts on whole versions share: numbers, places, and a version born live."""

from __future__ import annotations

from django.db.models import Max
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules.document import Document
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import (
    author_id_of,
    in_state,
    known_lists,
    rows_open_for,
)
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document
from rules.storage import authors_of, digest_of, ruleset_as_json, write_rules


def next_version() -> int:
    """The number after the latest."""
    latest = RuleSet.objects.aggregate(latest=Max("version"))["latest"]
    return int(latest or 0) + 1


def new_draft(actor: str, source: RuleSet | None) -> RuleSet:
    """An empty draft; who wrote a source that nobody approved yet counts as an editor of it."""
    unapproved = source is not None and source.live_at is None
    return RuleSet.objects.create(
        version=next_version(),
        based_on=source.version if source else None,
        created_by=actor,
        edited_by=sorted(writers_of(source)) if source is not None and unapproved else [],
    )


def writers_of(ruleset: RuleSet) -> set[str]:
    """The actors who made or changed a version."""
    return {ruleset.created_by, *ruleset.edited_by}


def readable(ruleset: RuleSet) -> Document:
    """The rules of a version, fit to go live.

    Raises DocumentInvalid when a rule is wrong, NotPossible when there is none.
    """
    document = parse_document(ruleset_as_json(ruleset), catalogue, known_lists())
    if not document.rules:
        raise NotPossible(_("A rule set without rules cannot be published."))
    return document


def require_unchanged(ruleset: RuleSet, expected: str) -> None:
    """Raises NotPossible when the version is not the one of that digest; "" asks nothing."""
    if expected and digest_of(ruleset_as_json(ruleset)) != expected:
        raise NotPossible(
            _("Somebody changed version %(version)d meanwhile; look at it again first.")
            % {"version": ruleset.version}
        )


def retire(state: RuleSetState) -> RuleSet | None:
    """Retire the version in that place, if any, and say which it was."""
    former = in_state(state)
    if former is not None:
        former.mark_retired(at=database_now())
        former.save()
    return former


def born_live(based_on: RuleSet, document: Document, actor: str, note: str) -> RuleSet:
    """A live version with these rules, rows and frozen document; the former one retires first.

    Born live, since a draft that people edit may hold the one place for drafts. Rules that are
    as in `based_on` keep their author.
    """
    now = database_now()
    made = RuleSet.objects.create(
        version=next_version(),
        state=RuleSetState.LIVE,
        based_on=based_on.version,
        note=note,
        document=document.as_json(),
        created_by=actor,
        published_by=actor,
        published_at=now,
        approved_by=actor,
        live_at=now,
    )
    with rows_open_for(made):
        known = authors_of(based_on)
        write_rules(made, document.rules, author_id=author_id_of(actor), known=known)
    return made
