"""What a schedule promises: which content over which live version, and why one is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from changefeed.models import Change
from rules.models import RuleSet
from rules.storage import digest_of, ruleset_as_json

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

CANCELLED, EDITED = "cancelled", "edited"
CONTENT_CHANGED, LIVE_CHANGED = "content_changed", "live_changed"
NOT_VALID, NOT_APPROVED = "not_valid", "not_approved"
REASONS: dict[str, StrOrPromise] = {
    CANCELLED: _("somebody cancelled it"),
    EDITED: _("the draft was edited after it was scheduled"),
    CONTENT_CHANGED: _("the rules are not those that were scheduled"),
    LIVE_CHANGED: _("another version went live after it was scheduled"),
    NOT_VALID: _("a rule has become wrong, for instance because a list is gone"),
    NOT_APPROVED: _("it needs the approval of somebody who did not write it"),
}
"""Why a version did not go live at its time."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A schedule that was taken off: for when, why, by whom and when."""

    publish_at: datetime | None
    reason: str
    actor: str
    at: datetime

    @property
    def was_asked_for(self) -> bool:
        """Whether a person took it off by the button made for it."""
        return self.reason == CANCELLED

    @property
    def reason_text(self) -> str:
        """The reason in the active language."""
        return str(REASONS.get(self.reason, self.reason))


def promise_of(ruleset: RuleSet, live: RuleSet | None) -> str:
    """What `scheduled_digest` keeps: the digest of the content, and the live version's number."""
    return f"{digest_of(ruleset_as_json(ruleset))}:{live.version if live else 0}"


def why_broken(ruleset: RuleSet, live: RuleSet | None) -> str:
    """The reason for which a schedule must not be kept; empty when all is as it was."""
    content, _colon, version = ruleset.scheduled_digest.partition(":")
    now_content, _colon, now_version = promise_of(ruleset, live).partition(":")
    if content != now_content:
        return CONTENT_CHANGED
    return LIVE_CHANGED if version != now_version else ""


def last_dropped(ruleset: RuleSet) -> Dropped | None:
    """The schedule that was taken off last, if the version has none now; read from the feed."""
    if ruleset.publish_at is not None:
        return None
    change = (
        Change.objects.filter(subject_kind="ruleset", subject_id=str(ruleset.version))
        .filter(kind="ruleset.unscheduled")
        .order_by("-seq")
        .first()
    )
    if change is None:
        return None
    planned = datetime.fromisoformat(change.old) if isinstance(change.old, str) else None
    return Dropped(planned, (change.new or {}).get("reason", ""), change.actor, change.at)
