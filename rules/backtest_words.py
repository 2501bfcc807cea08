"""What a backtest found, in words: sentences, labels, money, and shares with their interval."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rules.changes import CLASSES
from rules.wording import SLOT_LABELS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

CLASS_LABELS: dict[str, StrOrPromise] = {
    "newly_held": gettext_lazy("Newly held"),
    "no_longer_held": gettext_lazy("No longer held"),
    "held_by_other": gettext_lazy("Held by another rule"),
    "rerouted": gettext_lazy("Routed differently"),
    "tags_changed": gettext_lazy("Tagged differently"),
    "effects_changed": gettext_lazy("Other one-time acts"),
    "dispatch_changed": gettext_lazy("Pushed to logistics or not"),
}
_PARTS: dict[str, StrOrPromise] = {
    "newly_held": gettext_lazy("%(count)s would be newly held (%(amount)s)"),
    "no_longer_held": gettext_lazy("%(count)s no longer held (%(amount)s)"),
    "held_by_other": gettext_lazy("%(count)s held by another rule"),
    "rerouted": gettext_lazy("%(count)s routed differently (%(amount)s)"),
    "tags_changed": gettext_lazy("%(count)s tagged differently"),
    "effects_changed": gettext_lazy("%(count)s with other one-time acts"),
    "dispatch_changed": gettext_lazy("%(count)s pushed to logistics, or no longer"),
}
_SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_KINDS: dict[str, StrOrPromise] = {
    **SLOT_LABELS,
    "rule": gettext_lazy("rule"),
    "tag": gettext_lazy("tag"),
    "effect": gettext_lazy("one-time act"),
}


def class_label(name: str) -> str:
    """The name of a class of change (see rules.changes.CLASSES)."""
    return str(CLASS_LABELS[name])


def money(amount: object) -> str:
    """An amount in the shop's currency, whole when it has no cents: ¥12,340 or ¥12,340.50."""
    value = Decimal(str(amount))
    symbol = _SYMBOLS.get(settings.CURRENCY, f"{settings.CURRENCY} ")
    return (
        f"{symbol}{value:,.0f}" if value == value.to_integral_value() else f"{symbol}{value:,.2f}"
    )


def percent(share: Mapping[str, Any]) -> str:
    """A share with its interval and what it rests on; a dash where nothing is known."""
    if share["value"] is None:
        return "–"
    return _("%(value)s (%(low)s to %(high)s, from %(count)s)") % {
        "value": f"{share['value']:.1%}",
        "low": f"{share['low']:.1%}",
        "high": f"{share['high']:.1%}",
        "count": f"{share['whole']:,}",
    }


def summary(result: Mapping[str, Any]) -> list[str]:
    """The result in a few sentences, the most telling first."""
    parts = [
        str(_PARTS[name]) % {"count": f"{found['count']:,}", "amount": money(found["amount"])}
        for name in CLASSES
        if (found := result["changed"][name])["count"]
    ]
    orders = f"{result['decisions']:,}"
    if parts:
        first = _("Of %(orders)s orders, %(changes)s.") % {
            "orders": orders,
            "changes": _joined(parts),
        }
    else:
        first = _("All %(orders)s orders would go exactly as before.") % {"orders": orders}
    held = _("Held in all: %(base)s before, %(tried)s with the rules tried.") % {
        "base": f"{result['held']['base']:,}",
        "tried": f"{result['held']['tried']:,}",
    }
    return [first, held, *_verdicts(result["verdicts"])]


def _verdicts(verdicts: Mapping[str, Any]) -> list[str]:
    if not verdicts["cases"]:
        return [
            _("Nobody has judged a hold of this period yet, so false blocks cannot be estimated.")
        ]
    blocked, leak = verdicts["false_block"], verdicts["leak"]
    return [
        _("Of the held orders that were judged, fine after all: %(base)s before, %(tried)s now.")
        % {"base": percent(blocked["base"]), "tried": percent(blocked["tried"])},
        _("Of the orders rightly held, let go: %(base)s before, %(tried)s now.")
        % {"base": percent(leak["base"]), "tried": percent(leak["tried"])},
    ]


def change_phrase(pairs: list[list[str]]) -> str:
    """What was said of an order on one side: "lane: cold, tag: VIP"."""
    words = []
    for kind, value in pairs:
        if kind == "dispatch":
            words.append(_("push to logistics"))
        elif kind == "rule":
            words.append(value)
        else:
            words.append(f"{_KINDS.get(kind, kind)} {value}")
    return _joined(words)


def _joined(words: list[str]) -> str:
    return reduce(lambda a, b: _("%(first)s, %(then)s") % {"first": a, "then": b}, words or [""])


def slot_label(slot: str) -> str:
    """The name of a slot."""
    return str(SLOT_LABELS.get(slot, slot))
