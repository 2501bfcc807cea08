"""How often a rule met recent cases and what it would change, as finished texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rules.document import Document, Rule
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.live import load_lists
from rules.parsing import parse_rule
from rules.preview import Example, Preview, preview_rule
from rules.sentences import conditions_of_match


def reach_in_words(
    seen: Preview | None, *, acts: bool = True, idle: bool = False
) -> dict[str, Any]:
    """Summary, share in per cent, lines and examples; `seen` is None while conditions lack.

    `acts` tells whether the rule has actions whose effect can be told, `idle` that it would
    not act as it stands.
    """
    nothing: dict[str, Any] = {"share": None, "lines": [], "examples": []}
    if seen is None:
        return {"summary": _("Counted once every condition is complete."), **nothing}
    if not seen.cases:
        return {"summary": _("No orders yet to try the rule on."), **nothing}
    return {
        "summary": _("Matches %(matched)s of the last %(cases)s orders")
        % {"matched": figure(seen.matched), "cases": figure(seen.cases)},
        "share": round(100 * seen.matched / seen.cases, 2),
        "lines": _lines(seen, acts=acts, idle=idle),
        "examples": [_example(example, acts=acts) for example in seen.examples],
    }


def is_idle(rule: Rule) -> bool:
    """Whether the rule, as it is written, does not act at every time."""
    return rule.status != "live" or bool(rule.valid_from or rule.valid_until)


def figure(count: int) -> str:
    """A count with its groups of digits."""
    return number_format(count, force_grouping=True)


def _lines(seen: Preview, *, acts: bool, idle: bool) -> list[str]:
    lines = []
    if seen.matched:
        held = figure(seen.held_already)
        lines.append(_("%(count)s of them are held today already") % {"count": held})
    if acts and seen.live_version:
        lines += _changes(seen)
    if idle:
        lines.append(_("Counted as if the rule were live and always valid."))
    return lines


def _changes(seen: Preview) -> list[str]:
    effect = seen.effect
    held, freed, moved, marked = (
        *(effect.newly_held, effect.no_longer_held),
        *(effect.rerouted, effect.marked),
    )
    counted = (
        (
            held,
            ngettext(
                "%(count)s order would be held newly", "%(count)s orders would be held newly", held
            ),
        ),
        (
            freed,
            ngettext(
                "%(count)s order would no longer be held",
                "%(count)s orders would no longer be held",
                freed,
            ),
        ),
        (
            moved,
            ngettext(
                "%(count)s order would be routed differently",
                "%(count)s orders would be routed differently",
                moved,
            ),
        ),
        (
            marked,
            ngettext(
                "%(count)s order would get other tags or effects",
                "%(count)s orders would get other tags or effects",
                marked,
            ),
        ),
    )
    changes = [text % {"count": figure(count)} for count, text in counted if count]
    return changes or [_("No order would go another way than with the live rules")]


def _example(example: Example, *, acts: bool) -> dict[str, str]:
    case = example.case
    note = ""
    if example.held_by is not None:
        note = _("Held today by “%(rule)s”.") % {"rule": example.held_by.rule_name}
    elif acts and example.is_changed:
        note = _("Would go another way than today.")
    return {
        "reference": case.reference,
        "url": case.url,
        "amount": _money(case.amount),
        "at": case.at.isoformat(),
        "exact": _exact(case.at),
        "ago": str(naturaltime(case.at)),
        "why": conditions_of_match(example.match),
        "note": note,
    }


def _money(amount: Decimal) -> str:
    text = number_format(amount, 2, force_grouping=True)
    return f"¥{text}" if settings.CURRENCY == "CNY" else f"{settings.CURRENCY} {text}"


def _exact(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def reach_of(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same for a stored rule in document form; None when it is not valid."""
    try:
        rule = parse_rule(raw, catalogue)
    except DocumentInvalid:
        return None
    seen = preview_rule(rule, load_lists(Document((rule,))))
    return reach_in_words(seen, idle=is_idle(rule))
