"""What every change of a draft leaves behind: who made it, and no schedule."""

from __future__ import annotations

from rules.lifecycle.common import record
from rules.models import RuleSet


def touch(draft: RuleSet, actor: str) -> None:
    """Note that `actor` changed the locked draft; what was scheduled is not it any more."""
    if actor not in draft.edited_by:
        draft.edited_by = [*draft.edited_by, actor]
        draft.save(update_fields=["edited_by"])
    give_up_schedule(draft)


def give_up_schedule(draft: RuleSet) -> None:
    """Take the schedule off a locked draft that was changed."""
    if draft.publish_at is not None:
        drop_schedule(draft, "edited")
        draft.save(update_fields=["publish_at", "scheduled_by", "scheduled_digest"])


def drop_schedule(ruleset: RuleSet, reason: str) -> None:
    """Take the schedule off a locked version and tell the feed why; the caller saves.

    `reason` is one of rules.scheduling.REASONS.
    """
    told = {"reason": reason, "scheduled_by": ruleset.scheduled_by}
    record("ruleset.unscheduled", ruleset, field="publish_at", old=ruleset.publish_at, new=told)
    ruleset.publish_at, ruleset.scheduled_by, ruleset.scheduled_digest = None, "", ""
