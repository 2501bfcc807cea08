"""What every change leaves behind: who made it, and no schedule that it broke."""

from __future__ import annotations

from rules.lifecycle.common import record
from rules.models import RuleSet

SCHEDULE_FIELDS = ["publish_at", "scheduled_by", "scheduled_digest"]


def touch(draft: RuleSet, actor: str) -> None:
    """Note that `actor` changed the locked draft; what was scheduled is not it any more."""
    fields = []
    if actor not in draft.edited_by:
        draft.edited_by = [*draft.edited_by, actor]
        fields.append("edited_by")
    if draft.publish_at is not None:
        drop_schedule(draft, "edited")
        fields += SCHEDULE_FIELDS
    if fields:
        draft.save(update_fields=fields)


def drop_broken_schedules() -> None:
    """Take off every schedule that was made over another live version, for all to see at once."""
    for waiting in RuleSet.objects.select_for_update().filter(publish_at__isnull=False):
        drop_schedule(waiting, "live_changed")
        waiting.save(update_fields=SCHEDULE_FIELDS)


def drop_schedule(ruleset: RuleSet, reason: str) -> None:
    """Take the schedule off a locked version and tell the feed why; the caller saves.

    `reason` is one of rules.scheduling.REASONS.
    """
    told = {"reason": reason, "scheduled_by": ruleset.scheduled_by}
    record("ruleset.unscheduled", ruleset, field="publish_at", old=ruleset.publish_at, new=told)
    ruleset.publish_at, ruleset.scheduled_by, ruleset.scheduled_digest = None, "", ""
