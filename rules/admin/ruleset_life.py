"""A version's life as a small timeline, and what live traffic says of it while it watches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules import history
from rules.estimates import Share, share
from rules.history import Case, ShadowSeen
from rules.models import Rule, RuleSet, RuleSetState
from rules.watching import HOLD, PASS, ROUTE, SAME, TAG

_CHANGES = {
    HOLD: gettext_lazy("would be held"),
    PASS: gettext_lazy("would no longer be held"),
    ROUTE: gettext_lazy("would be routed differently"),
    TAG: gettext_lazy("would be tagged differently"),
    "failed": gettext_lazy("could not be told"),
}
_MATCHES = {
    "match": gettext_lazy("matched"),
    "route": gettext_lazy("matched, and would be routed differently"),
    "held": gettext_lazy("matched, and are held by a live rule anyway"),
    "failed": gettext_lazy("could not be told"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a life; `at` is None for one that has no time, `is_ahead` for one to come."""

    label: str
    who: str
    at: datetime | None = None
    is_ahead: bool = False


@dataclass(frozen=True, slots=True)
class ShownCount:
    """How many cases came out so, as a share of all, and the latest of them."""

    label: str
    cases: int
    share: Share
    examples: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What live traffic says of a version or rule that watched."""

    total: int
    counts: tuple[ShownCount, ...]
    agreement: Share | None = None
    rule: Rule | None = None

    @property
    def agreement_text(self) -> str:
        """The share of agreement in percent."""
        value = self.agreement.value if self.agreement else None
        return "" if value is None else f"{value:.1%}"

    @property
    def agreement_low(self) -> str:
        """The lower end of its interval."""
        return f"{self.agreement.low:.1%}" if self.agreement else ""

    @property
    def agreement_high(self) -> str:
        """The upper end of its interval."""
        return f"{self.agreement.high:.1%}" if self.agreement else ""


def life_of(ruleset: RuleSet) -> list[Step]:
    """The steps of a version from the oldest on."""
    steps = [Step(_("Drafted"), ruleset.created_by, ruleset.created_at)]
    if editors := [who for who in ruleset.edited_by if who != ruleset.created_by]:
        steps.append(Step(_("Edited"), ", ".join(editors)))
    watched = ruleset.published_at is not None and ruleset.published_at != ruleset.live_at
    if watched:
        steps.append(Step(_("Shadow run"), ruleset.published_by, ruleset.published_at))
    if ruleset.publish_at is not None:
        steps.append(Step(_("Goes live"), ruleset.scheduled_by, ruleset.publish_at, is_ahead=True))
    if ruleset.live_at is not None:
        steps.append(Step(_("Live"), ruleset.approved_by, ruleset.live_at))
    if ruleset.retired_at is not None:
        steps.append(Step(_("Retired"), "", ruleset.retired_at))
    return steps


def shadow_report(ruleset: RuleSet) -> ShadowReport | None:
    """What a version would have changed while it watched; None if it never did."""
    if ruleset.published_at is None or ruleset.published_at == ruleset.live_at:
        return None
    until = ruleset.live_at or ruleset.retired_at or timezone.now()
    seen = history.source().shadow_version(ruleset.version, ruleset.published_at, until)
    told = seen.total - seen.counts.get("failed", 0)
    return ShadowReport(
        seen.total,
        _counts(seen, {key: str(label) for key, label in _CHANGES.items()}),
        share(seen.counts.get(SAME, 0), told),
    )


def shadow_rule_reports(ruleset: RuleSet) -> list[ShadowReport]:
    """What each shadow rule of a live or formerly live version matched; none for others."""
    if ruleset.live_at is None:
        return []
    until = ruleset.retired_at or timezone.now()
    reports = []
    rules = ruleset.rules.filter(status="shadow").prefetch_related("actions")
    for rule in rules:
        slots = {
            action.params["slot"]: action.params["value"]
            for action in rule.actions.all()
            if action.do == "assign"
        }
        seen = history.source().shadow_rule(
            rule.key, ruleset.version, slots, ruleset.live_at, until
        )
        words = {key: str(label) for key, label in _MATCHES.items()}
        if not slots:
            del words["route"]
        if rule.layer == "intercept":
            words["match"] = _("matched, and would be held")
        reports.append(ShadowReport(seen.total, _counts(seen, words), rule=rule))
    return reports


def _counts(seen: ShadowSeen, words: dict[str, str]) -> tuple[ShownCount, ...]:
    ids = [case_id for key in words for case_id in seen.examples.get(key, ())]
    cases: dict[int, Any] = {case.id: case for case in history.source().cases(ids)}
    return tuple(
        ShownCount(
            label,
            seen.counts.get(key, 0),
            share(seen.counts.get(key, 0), seen.total),
            tuple(cases[i] for i in seen.examples.get(key, ()) if i in cases),
        )
        for key, label in words.items()
        if seen.counts.get(key, 0) or key != "failed"
    )


def versions_to_compare(ruleset: RuleSet) -> list[RuleSet]:
    """Versions that this one may be compared with, newest first, without their documents."""
    others = RuleSet.objects.exclude(pk=ruleset.pk).exclude(state=RuleSetState.DRAFT)
    return list(others.defer("document").order_by("-version")[:50])


def compared_with(ruleset: RuleSet, asked: str) -> RuleSet | None:
    """The version asked for by number, else what this one replaces or replaced.

    A draft or shadow version is compared with the live one; a published one with that which
    was live before it, also after a rollback.
    """
    if asked.isascii() and asked.isdigit() and len(asked) < 10:
        found = RuleSet.objects.exclude(pk=ruleset.pk).filter(version=int(asked)).first()
        if found is not None:
            return found
    if ruleset.live_at is None:
        return RuleSet.objects.filter(state=RuleSetState.LIVE).first()
    before = RuleSet.objects.filter(live_at__lt=ruleset.live_at).exclude(pk=ruleset.pk)
    return before.order_by("-live_at").first()
