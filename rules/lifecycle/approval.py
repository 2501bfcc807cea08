"""The second pair of eyes: who wrote a version may not put it in force alone."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from rules.errors import NotPossible
from rules.lifecycle.versions import writers_of
from rules.models import RuleSet

OPERATOR = "system"
"""The actor of commands at the terminal, whose user could write to the database anyway."""


def may_approve(ruleset: RuleSet, actor: str) -> bool:
    """Whether this actor may put the version in force, or have it put there later."""
    if not settings.RULES_APPROVER_REQUIRED or actor == OPERATOR:
        return True
    return actor not in writers_of(ruleset)


def require_approver(ruleset: RuleSet, actor: str) -> None:
    """Raises NotPossible for somebody who made or changed the version."""
    if not may_approve(ruleset, actor):
        raise NotPossible(
            _(
                "You made or changed version %(version)d; somebody else has to put it in force."
                " Nothing was changed."
            )
            % {"version": ruleset.version}
        )
