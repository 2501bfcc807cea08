"""How measures look in a table: shares with their interval, daily hits, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rules.estimates import Share
from rules.performance import TARGET

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING = SafeString('<span class="rm-quiet rm-nothing">–</span>')
BAR, GAP, HEIGHT = 3, 1, 24
"""Of the plot of daily hits, in its own units."""


def percent(part: float, places: int = 1) -> str:
    """A share as a percentage: 3.5%."""
    # Django's own formatting cuts further places off instead of rounding.
    return f"{formats.number_format(round(100 * part, places), places)}%"


def number(count: int) -> str:
    """A whole number in groups of three, in every language: 26,419."""
    return f"{count:,}"


def interval(share: Share) -> str:
    """The interval in which the true share lies: 1.2–6.9%."""
    return f"{percent(share.low).removesuffix('%')}–{percent(share.high)}"


def daily_hits(daily: Sequence[int]) -> SafeString:
    """A bar a day, oldest first; the highest fills the height, and any hit is seen."""
    most = max(daily, default=0)
    if not most:
        return SafeString("")
    bars = [
        (place * (BAR + GAP), HEIGHT - height, height)
        for place, hits in enumerate(daily)
        if (height := max(2, round(HEIGHT * hits / most)) if hits else 0)
    ]
    drawn = SafeString(
        "".join(f'<rect x="{x}" y="{y}" width="{BAR}" height="{high}"/>' for x, y, high in bars)
    )
    width = len(daily) * (BAR + GAP) - GAP
    return format_html(
        '<svg class="rm-days" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        "<title>{}</title>{}</svg>",
        width,
        HEIGHT,
        _("%(days)d days; at most %(most)s a day") % {"days": len(daily), "most": number(most)},
        drawn,
    )


def interval_plot(share: Share, target: float) -> SafeString:
    """The share on a line from 0 to 100 %: interval shaded, target grey."""
    if share.value is None:
        return SafeString("")
    low, high = round(100 * share.low, 1), round(100 * share.high, 1)
    return format_html(
        '<svg class="rm-range" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="is-track" y="3" width="100" height="2"/>'
        '<rect class="is-interval" x="{}" y="1" width="{}" height="6"/>'
        '<rect class="is-target" x="{}" width="1" height="8"/>'
        '<rect class="is-seen" x="{}" width="2" height="8"/></svg>',
        low,
        max(1.0, round(high - low, 1)),
        round(100 * target, 1),
        round(min(98.0, max(0.0, 100 * share.value - 1)), 1),
    )


def alarm_mark(alarm: str) -> SafeString:
    """The word for a share above the target, with its icon; empty without an alarm."""
    if not alarm:
        return SafeString("")
    values = {"target": percent(TARGET, 0)}
    sure = alarm == "high"
    return format_html(
        '<span class="desk-risk is-{}" title="{}">'
        '<span class="material-symbols-outlined rm-icon" aria-hidden="true">{}</span> {}</span>',
        "high" if sure else "medium",
        _("Even the low end of the interval is above %(target)s.") % values
        if sure
        else _("The figure is above %(target)s; more verdicts will tell whether the rule is.")
        % values,
        "error" if sure else "warning",
        _("clearly above %(target)s") % values if sure else _("above %(target)s") % values,
    )


def span(length: timedelta) -> str:
    """A length of time in its one or two largest units: 1 h 23 min."""
    length = abs(length)
    days, hours = length // DAY, (length % DAY) // HOUR
    minutes = (length % HOUR) // MINUTE
    if days:
        return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return _("%(minutes)d min") % {"minutes": minutes}


def ago(moment: datetime, now: datetime) -> SafeString:
    """How long ago, or until when; the exact time on hover."""
    passed = now - moment
    if abs(passed) < MINUTE:
        words = _("just now")
    else:
        words = (_("%(span)s ago") if passed > timedelta() else _("in %(span)s")) % {
            "span": span(passed)
        }
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}",
        words,
    )
