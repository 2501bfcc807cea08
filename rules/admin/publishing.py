"""The page before publishing: what changes, what collides, what history says, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from changefeed.clock import database_now
from rules.admin.actors import actor_of
from rules.admin.ruleset_acts import PUBLISH, shown_at
from rules.admin.ruleset_changes import document_of, shown_difference
from rules.admin.ruleset_layers import mistakes_in
from rules.analysis import Finding
from rules.analysis.wording import sentence_for_finding
from rules.checking import check_document
from rules.document import Document
from rules.facts import catalogue
from rules.lifecycle.approval import may_approve
from rules.models import BacktestRun, RuleSet, RuleSetState
from rules.sentences import value_phrase
from rules.storage import digest_of, ruleset_as_json

MOST_FINDINGS = 100
LEVELS = {
    "error": gettext_lazy("Errors"),
    "warning": gettext_lazy("Warnings"),
    "info": gettext_lazy("Worth knowing"),
}


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding in words; `witness` are (label, value) pairs of an order that proves it.

    `is_new` when the live version has no such finding.
    """

    sentence: str
    is_new: bool
    rules: tuple[tuple[str, str], ...]
    witness: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownFindings:
    """What the conflict check found, by level; `is_complete` unless it ran out of time."""

    levels: tuple[tuple[str, str, tuple[ShownFinding, ...]], ...]
    is_complete: bool
    more: int


def publish_page(model_admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Everything to know before a draft or shadow version goes live, and the buttons."""
    if not request.user.has_perm(PUBLISH):
        raise PermissionDenied
    ruleset = get_object_or_404(RuleSet, pk=pk)
    if ruleset.state not in (RuleSetState.DRAFT, RuleSetState.SHADOW):
        return redirect(shown_at(ruleset))
    live = RuleSet.objects.filter(state=RuleSetState.LIVE).first()
    document = document_of(ruleset)
    mistakes = mistakes_in(ruleset)
    context = model_admin.admin_site.each_context(request) | {
        "title": _("Publish version %(version)d") % {"version": ruleset.version},
        "opts": model_admin.opts,
        "original": ruleset,
        "ruleset": ruleset,
        "live": live,
        "mistakes": mistakes,
        "difference": shown_difference(live, ruleset),
        "findings": findings_of(document, ruleset, live) if document is not None else None,
        "digest": digest_of(ruleset_as_json(ruleset)),
        "is_behind": ruleset.is_editable and live and live.version != ruleset.based_on,
        "may_approve": may_approve(ruleset, actor_of(request)),
        "backtest": _latest_backtest(ruleset),
        "backtest_url": _backtest_url(ruleset),
        "earliest": _local_minute(minutes=1),
        "suggested": _local_midnight(),
        "zone": settings.SHOP_TIME_ZONE,
    }
    return TemplateResponse(request, "admin/rules/publish_page.html", context)


def findings_of(document: Document, ruleset: RuleSet, live: RuleSet | None) -> ShownFindings:
    """What the conflict check says, within each level first what the live version does not have."""
    report = check_document(document)
    known = _known(live)
    urls = _addresses(ruleset)
    names = {rule.key: rule.name for rule in document.rules}
    ordered = sorted(
        report.findings, key=lambda f: (list(LEVELS).index(f.level), _identity(f) in known)
    )
    shown = ordered[:MOST_FINDINGS]
    levels = tuple(
        (
            level,
            str(LEVELS[level]),
            tuple(
                ShownFinding(
                    sentence_for_finding(finding, document),
                    live is not None and _identity(finding) not in known,
                    tuple((names.get(key, key), urls.get(key, "")) for key in finding.rules),
                    _witness(finding.witness),
                )
                for finding in group
            ),
        )
        for level, group in groupby(shown, key=lambda finding: finding.level)
    )
    return ShownFindings(levels, report.complete, len(ordered) - len(shown))


def _known(live: RuleSet | None) -> set[tuple[object, ...]]:
    """What the check says of the live version."""
    document = document_of(live) if live is not None else None
    if document is None:
        return set()
    return {_identity(finding) for finding in check_document(document).findings}


def _identity(finding: Finding) -> tuple[object, ...]:
    return (finding.kind, finding.rules, finding.group, finding.rows, finding.slot)


def _witness(facts: dict[str, object] | None) -> tuple[tuple[str, str], ...]:
    if not facts:
        return ()
    pairs = []
    for key, value in facts.items():
        fact = catalogue.get(key)
        shown = tuple(value) if isinstance(value, list) else value
        pairs.append((str(fact.label) if fact else key, value_phrase(key, shown)))
    return tuple(pairs)


def _addresses(ruleset: RuleSet) -> dict[str, str]:
    return {
        key: reverse("admin:rules_rule_change", args=[pk])
        for key, pk in ruleset.rules.values_list("key", "pk")
    }


def _latest_backtest(ruleset: RuleSet) -> BacktestRun | None:
    found = BacktestRun.objects.filter(tried_version=ruleset.version, sweep__isnull=True)
    return found.defer("document", "result").order_by("-requested_at", "-id").first()


def _backtest_url(ruleset: RuleSet) -> str:
    try:
        return f"{reverse('admin:rules_backtestrun_add')}?version={ruleset.version}"
    except NoReverseMatch:
        return ""


def _local_minute(*, minutes: int) -> str:
    moment = database_now().astimezone(ZoneInfo(settings.SHOP_TIME_ZONE))
    return f"{moment + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}"


def _local_midnight() -> str:
    """The next midnight of the shop, when sales begin."""
    moment = database_now().astimezone(ZoneInfo(settings.SHOP_TIME_ZONE))
    return f"{moment + timedelta(days=1):%Y-%m-%dT00:00}"
