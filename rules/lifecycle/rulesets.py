"""A version's steps: into the shadow, into force, out of it, and back again."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle.approval import require_approver
from rules.lifecycle.common import (
    announce,
    begin,
    known_lists,
    locked,
    locked_draft,
    record,
)
from rules.lifecycle.editing import drop_broken_schedules
from rules.lifecycle.versions import born_live, readable, require_unchanged, retire
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document


@transaction.atomic
def publish(ruleset: RuleSet, actor: str, note: str = "", *, expected: str = "") -> RuleSet:
    """Freeze the draft and put it in force; the former live version retires.

    `expected` is the digest of the draft as it was shown. Raises DocumentInvalid when a rule is
    wrong, NotPossible when it is no draft any more, is another than expected, has no rules, or
    needs somebody else's approval; the live version is then untouched.
    """
    begin(actor)
    draft = locked_draft(ruleset)
    require_unchanged(draft, expected)
    require_approver(draft, actor)
    return go_live(draft, actor, note)


@transaction.atomic
def start_shadow(ruleset: RuleSet, actor: str, note: str = "", *, expected: str = "") -> RuleSet:
    """Freeze the draft and let it watch live traffic; what watched before retires.

    Nothing it says is acted on, so nobody needs to approve. Raises as `publish` does.
    """
    begin(actor)
    draft = locked_draft(ruleset)
    require_unchanged(draft, expected)
    document = readable(draft)
    former = retire(RuleSetState.SHADOW)
    draft.mark_shadow(document.as_json(), actor=actor, at=database_now(), note=note)
    draft.save()
    old = former.version if former else None
    record("ruleset.shadow_started", draft, field="shadow_version", old=old, new=draft.version)
    announce()
    return draft


@transaction.atomic
def promote(ruleset: RuleSet, actor: str) -> RuleSet:
    """Put in force what watched; the former live version retires.

    Raises DocumentInvalid when it names what no longer exists, NotPossible when it does not
    watch any more or needs somebody else's approval.
    """
    begin(actor)
    shadow = locked_shadow(ruleset)
    require_approver(shadow, actor)
    return go_live(shadow, actor)


@transaction.atomic
def end_shadow(ruleset: RuleSet, actor: str) -> RuleSet:
    """Stop watching; the version retires without ever having been live."""
    begin(actor)
    shadow = locked_shadow(ruleset)
    shadow.mark_retired(at=database_now())
    shadow.save()
    record("ruleset.shadow_ended", shadow, field="shadow_version", old=shadow.version)
    announce()
    return shadow


@transaction.atomic
def rollback_to(ruleset: RuleSet, actor: str, note: str = "") -> RuleSet:
    """Put the rules of an earlier version in force again, as a new version.

    It was approved once, so in an emergency one person is enough. An open draft stays as it
    is. Raises NotPossible for a version that is not retired or never was live, and
    DocumentInvalid when the old rules name what no longer exists.
    """
    begin(actor)
    earlier = locked(ruleset)
    if earlier.state != RuleSetState.RETIRED:
        raise NotPossible(
            _("Version %(version)d is not a retired version.") % {"version": earlier.version}
        )
    if earlier.live_at is None:
        raise NotPossible(
            _("Version %(version)d only watched and was never live; edit it as a draft instead.")
            % {"version": earlier.version}
        )
    document = parse_document(earlier.document, catalogue, known_lists())
    former = retire(RuleSetState.LIVE)
    again = born_live(earlier, document, actor, note)
    drop_broken_schedules()
    old = former.version if former else None
    record("ruleset.rolled_back", again, field="live_version", old=old, new=again.version)
    announce()
    return again


def go_live(ruleset: RuleSet, actor: str, note: str = "") -> RuleSet:
    """Put a locked draft or shadow version in force; who may is settled before."""
    document = readable(ruleset)
    former = retire(RuleSetState.LIVE)
    kind = "ruleset.published" if ruleset.state == RuleSetState.DRAFT else "ruleset.promoted"
    if ruleset.state == RuleSetState.DRAFT:
        ruleset.mark_live(document.as_json(), actor=actor, at=database_now(), note=note)
    else:
        ruleset.mark_promoted(actor=actor, at=database_now())
    ruleset.save()
    drop_broken_schedules()
    old = former.version if former else None
    record(kind, ruleset, field="live_version", old=old, new=ruleset.version)
    announce()
    return ruleset


def locked_shadow(ruleset: RuleSet) -> RuleSet:
    """The shadow version under its row lock; NotPossible when it does not watch any more."""
    shadow = locked(ruleset)
    if shadow.state != RuleSetState.SHADOW:
        raise NotPossible(
            _("Version %(version)d is not on a shadow run.") % {"version": shadow.version}
        )
    return shadow
