"""How values look on the desk's pages: money, times, people, words for states and risks."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def money(amount: Decimal | None, currency: str = "CNY") -> str:
    """The amount with its symbol, two places and grouping: ¥2,899.00; empty for none."""
    if amount is None:
        return ""
    symbol = SYMBOLS.get(currency, f"{currency} ")
    return symbol + formats.number_format(amount, 2, force_grouping=True)


def exact(moment: datetime) -> str:
    """The moment in the active zone, to the second."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")


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


def ago_text(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, or until when, in words."""
    passed = (now or timezone.now()) - moment
    if abs(passed) < MINUTE:
        return _("just now")
    return (_("%(span)s ago") if passed > timedelta() else _("in %(span)s")) % {
        "span": span(passed)
    }


def ago(moment: datetime | None, now: datetime | None = None) -> SafeString:
    """Relative time, the exact one on hover."""
    if moment is None:
        return SafeString("")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        exact(moment),
        ago_text(moment, now),
    )


def person(actor: str) -> str:
    """An actor's name as people say it: alice, WMS (system), customer C-88."""
    kind, _colon, name = actor.partition(":")
    if kind == "key":
        return _("%(name)s (system)") % {"name": name}
    if kind == "customer":
        return _("customer %(name)s") % {"name": name}
    return name or (_("Sluice itself") if actor == "system" else actor)


def chip(text: Any, tone: str = "") -> SafeString:
    """A small label; `tone` names a class of desk.css."""
    return format_html('<span class="desk-chip {}">{}</span>', f"is-{tone}" if tone else "", text)
