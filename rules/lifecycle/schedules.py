"""Acts on the time at which a version goes live by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules import scheduling
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle.approval import may_approve, require_approver
from rules.lifecycle.common import begin, in_state, locked, record
from rules.lifecycle.editing import SCHEDULE_FIELDS, drop_schedule
from rules.lifecycle.rulesets import go_live
from rules.lifecycle.versions import readable, require_unchanged
from rules.models import RuleSet, RuleSetState

FURTHEST = timedelta(days=366)
_WAITING = (RuleSetState.DRAFT, RuleSetState.SHADOW)


@transaction.atomic
def schedule(
    ruleset: RuleSet, at: datetime, actor: str, note: str = "", *, expected: str = ""
) -> RuleSet:
    """Have the draft or shadow version put in force at `at`, exactly as it is now.

    It goes live only if neither it nor the live version changes before. Raises DocumentInvalid
    when a rule is wrong; NotPossible for a time that is past or more than a year away, and as
    `publish` does. Raises ValueError for a naive time.
    """
    if at.tzinfo is None:
        raise ValueError("a schedule needs a time with its zone")
    begin(actor)
    waiting = _locked_waiting(ruleset)
    require_unchanged(waiting, expected)
    require_approver(waiting, actor)
    readable(waiting)
    now = database_now()
    if at <= now:
        raise NotPossible(_("The time to go live must lie in the future."))
    if at > now + FURTHEST:
        raise NotPossible(_("The time to go live must lie within a year."))
    before = waiting.publish_at
    waiting.publish_at, waiting.scheduled_by = at, actor
    waiting.scheduled_digest = scheduling.promise_of(waiting, in_state(RuleSetState.LIVE))
    fields = list(SCHEDULE_FIELDS)
    if note and waiting.state == RuleSetState.DRAFT:
        waiting.note = note
        fields.append("note")
    waiting.save(update_fields=fields)
    record("ruleset.scheduled", waiting, field="publish_at", old=before, new=at)
    return waiting


@transaction.atomic
def unschedule(ruleset: RuleSet, actor: str) -> RuleSet:
    """Take the schedule off. Raises NotPossible when there is none any more."""
    begin(actor)
    waiting = _locked_waiting(ruleset)
    if waiting.publish_at is None:
        raise NotPossible(
            _("Version %(version)d is not scheduled any more.") % {"version": waiting.version}
        )
    drop_schedule(waiting, scheduling.CANCELLED)
    waiting.save(update_fields=SCHEDULE_FIELDS)
    return waiting


def publish_scheduled() -> list[RuleSet]:
    """Put in force what is due by the database's clock, and say what went live.

    Safe to run twice and from two places: who comes second finds nothing due. A schedule that
    cannot be kept is taken off with its reason, and the live version stays.
    """
    due = RuleSet.objects.filter(state__in=_WAITING, publish_at__lte=database_now())
    published = []
    for ruleset in due.order_by("publish_at", "version"):
        went_live = _keep(ruleset)
        if went_live is not None:
            published.append(went_live)
    return published


@transaction.atomic
def _keep(ruleset: RuleSet) -> RuleSet | None:
    begin("system")
    waiting = RuleSet.objects.select_for_update().filter(pk=ruleset.pk).first()
    if waiting is None or waiting.state not in _WAITING or waiting.publish_at is None:
        return None
    if waiting.publish_at > database_now():
        return None
    actor = waiting.scheduled_by
    reason = scheduling.why_broken(waiting, in_state(RuleSetState.LIVE))
    if not reason and not may_approve(waiting, actor):
        reason = scheduling.NOT_APPROVED
    if not reason:
        try:
            with transaction.atomic():
                return go_live(waiting, actor, waiting.note)
        except (DocumentInvalid, NotPossible):
            reason = scheduling.NOT_VALID
            waiting = locked(waiting)
    drop_schedule(waiting, reason)
    waiting.save(update_fields=SCHEDULE_FIELDS)
    return None


def _locked_waiting(ruleset: RuleSet) -> RuleSet:
    waiting = RuleSet.objects.select_for_update().filter(pk=ruleset.pk).first()
    if waiting is None:
        raise NotPossible(_("This draft no longer exists."))
    if waiting.state not in _WAITING:
        raise NotPossible(
            _("Version %(version)d is neither a draft nor on a shadow run.")
            % {"version": waiting.version}
        )
    return waiting
