"""What stands above the list of rules: the version, its figures, and the ways to narrow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from rules.figures import alarm_mark, interval, interval_plot, number, percent
from rules.models import Rule, RuleSet, RuleSetState
from rules.performance import TARGET, Performance, alarm_of, performance


@dataclass(frozen=True, slots=True)
class Chip:
    """A link that narrows the list or shows another version."""

    label: str
    url: str
    is_on: bool
    count: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its name, and what stands below it."""

    title: str
    figure: str
    below: str
    plot: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything above the list."""

    versions: tuple[Chip, ...]
    tiles: tuple[Tile, ...]
    narrowing: tuple[Chip, ...]
    funnel_url: str
    add_url: str
    is_empty: bool


def summary(request: HttpRequest) -> Summary:
    """The figures of the version that the list shows, and of all verdicts together."""
    address = reverse("admin:rules_rule_changelist")
    shown = request.GET.get("ruleset__id__exact", "")
    found = performance()
    rules = Rule.objects.filter(ruleset_id=int(shown)) if _is_number(shown) else Rule.objects.all()
    rows = list(rules.values_list("key", "layer", "status"))
    may_add = request.user.has_perm("rules.add_rule")
    return Summary(
        _versions(address, shown),
        _tiles(found, rows),
        _narrowing(request, address, shown, found, rows),
        reverse("admin:rules_funnel"),
        reverse("admin:rules_rule_add") if may_add else "",
        not rows,
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _versions(address: str, shown: str) -> tuple[Chip, ...]:
    """The versions that matter now, and the one shown if it is another."""
    now = (RuleSetState.DRAFT, RuleSetState.SHADOW, RuleSetState.LIVE)
    found = RuleSet.objects.only("version", "state")
    wanted = found.filter(state__in=now) | found.filter(pk=int(shown) if _is_number(shown) else 0)
    return tuple(
        Chip(
            f"v{each.version} {RuleSetState(each.state).label}",
            f"{address}?ruleset__id__exact={each.pk}",
            str(each.pk) == shown,
        )
        for each in wanted.order_by("-version")
    )


def _tiles(found: Performance, rows: list[tuple[str, str, str]]) -> tuple[Tile, ...]:
    acting = sum(status == "live" for _key, _layer, status in rows)
    held, wrong = found.held_today, found.false_blocks
    return (
        Tile(
            _("Rules"),
            number(len(rows)),
            _("%(count)s of them act") % {"count": number(acting)},
        ),
        Tile(
            _("Held today"),
            "–" if held.value is None else percent(held.value),
            _("%(part)s of %(whole)s orders")
            % {"part": number(held.part), "whole": number(held.whole)},
        ),
        Tile(
            _("False blocks, 30 days"),
            _("no verdicts yet") if wrong.value is None else percent(wrong.value),
            ""
            if wrong.value is None
            else _("%(interval)s · n = %(count)s · target %(target)s")
            % {
                "interval": interval(wrong),
                "count": number(wrong.whole),
                "target": percent(TARGET, 0),
            },
            interval_plot(wrong, TARGET),
            alarm_mark(alarm_of(wrong)),
        ),
    )


def _narrowing(
    request: HttpRequest,
    address: str,
    shown: str,
    found: Performance,
    rows: list[tuple[str, str, str]],
) -> tuple[Chip, ...]:
    chosen = request.GET.get("performance", "")
    alarming, fired = set(found.alarming), set(found.fired)
    counts: dict[str, tuple[Any, int]] = {
        "": (_("All"), len(rows)),
        "alarm": (_("Above the alarm"), sum(row[0] in alarming for row in rows)),
        "quiet": (_("Never fired in 30 days"), sum(row[0] not in fired for row in rows)),
    }
    base = f"?ruleset__id__exact={shown}" if _is_number(shown) else "?"
    return tuple(
        Chip(
            label,
            f"{address}{base}{f'&performance={key}' if key else ''}",
            key == chosen,
            number(count),
        )
        for key, (label, count) in counts.items()
    )
