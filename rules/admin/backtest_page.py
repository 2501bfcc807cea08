"""A backtest as its page shows it: finished values, from the result as it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from rules.admin.backtest_form import phrase
from rules.backtest_words import change_phrase, class_label, money, percent, slot_label, summary
from rules.changes import CLASSES
from rules.facts import catalogue
from rules.models import BacktestRun, BacktestState
from rules.models.rulesets import Layer
from rules.parsing import parse_document
from rules.sentences import value_phrase

SHOWN_EXAMPLES = 20
TARGET = 0.05
"""The share of false blocks above which a rule is too sharp (the alarm)."""


def versions_of(run: BacktestRun) -> str:
    """What was compared with what: v5 / v4."""
    tried = f"v{run.tried_version}" if run.tried_version else _("document")
    base = f"v{run.base_version}" if run.base_version else _("no rules")
    return _("%(tried)s against %(base)s") % {"tried": tried, "base": base}


def progress_of(run: BacktestRun) -> dict[str, Any]:
    """How far it is; `share` is 0 to 100."""
    is_over = run.state in (BacktestState.DONE, BacktestState.CANCELLED, BacktestState.FAILED)
    done = min(run.done, run.total)
    return {
        "state": run.state,
        "label": str(_("Stopping") if run.cancel_asked and not is_over else _label(run)),
        "is_over": is_over,
        "share": round(100 * done / run.total, 1) if run.total else 0,
        "text": f"{done:,} / {run.total:,}",
        "who": run.requested_by.removeprefix("user:"),
        "period": f"{_local(run.since)} – {_local(run.until)}",
    }


def days_of(run: BacktestRun) -> str:
    """The days of the shop that the period touches."""
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    last = timezone.localtime(run.until - timedelta(microseconds=1), zone)
    first = timezone.localtime(run.since, zone)
    return f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"


def _label(run: BacktestRun) -> str:
    return str(BacktestState(run.state).label)


def _local(moment: datetime) -> str:
    local = timezone.localtime(moment, ZoneInfo(settings.SHOP_TIME_ZONE))
    return date_format(local, "Y-m-d H:i")


def shown_result(run: BacktestRun) -> dict[str, Any]:
    """The result of a finished run, ready to be shown."""
    result: Any = run.result
    names = {rule["key"]: rule["name"] for rule in result["rules"]}
    return {
        "sentences": summary(result),
        "unseen": [_fact_name(key) for key in result["unseen_facts"]],
        "classes": [
            _class(name, found, names)
            for name in CLASSES
            if (found := result["changed"][name])["count"]
        ],
        "routes": [
            {
                "slot": slot_label(route["slot"]),
                "before": route["from"] or _("none"),
                "after": route["to"] or _("none"),
                "count": f"{route['count']:,}",
                "amount": money(route["amount"]),
                "examples": route["examples"],
            }
            for route in result["routes"]
        ],
        "rules": _rules(result),
        "never": [{"key": key, "name": names.get(key, key)} for key in result["never"]["tried"]],
        "verdicts": _verdicts(result["verdicts"]),
        "lists": result["lists"],
        "sweep": _sweep(run, result) if result["sweep"] else None,
    }


def _class(name: str, found: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    shown = found["examples"][:SHOWN_EXAMPLES]
    return {
        "key": name,
        "label": class_label(name),
        "count": f"{found['count']:,}",
        "amount": money(found["amount"]),
        "judged": f"{found['judged']['part']:,}",
        "false_block": percent(found["false_block"]),
        "rules": [
            {
                "before": names.get(pair["from"], pair["from"]),
                "after": names.get(pair["to"], pair["to"]),
                "count": f"{pair['count']:,}",
            }
            for pair in found["rules"]
        ],
        "examples": [
            {
                "reference": example["reference"],
                "url": example["url"],
                "at": _local(datetime.fromisoformat(example["at"])),
                "amount": money(example["amount"]),
                "before": _said(example["before"], names),
                "after": _said(example["after"], names),
            }
            for example in shown
        ],
        "more": found["count"] - len(shown),
    }


def _said(pairs: Iterable[list[str]], names: Mapping[str, str]) -> str:
    named = [[kind, names.get(value, value) if kind == "rule" else value] for kind, value in pairs]
    return change_phrase(named) or "–"


def _rules(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rules that acted on either side, those that change most first."""
    most = max((max(r["base"] or 0, r["tried"] or 0) for r in result["rules"]), default=0) or 1
    ordered = sorted(
        result["rules"],
        key=lambda rule: (
            -abs((rule["tried"] or 0) - (rule["base"] or 0)),
            -(rule["tried"] or 0),
            rule["key"],
        ),
    )
    return [
        {
            "key": rule["key"],
            "name": rule["name"],
            "layer": str(Layer(rule["layer"]).label),
            "base": "–" if rule["base"] is None else f"{rule['base']:,}",
            "tried": "–" if rule["tried"] is None else f"{rule['tried']:,}",
            "base_width": round(100 * (rule["base"] or 0) / most, 2),
            "tried_width": round(100 * (rule["tried"] or 0) / most, 2),
        }
        for rule in ordered
        if rule["base"] or rule["tried"]
    ]


def _verdicts(verdicts: Mapping[str, Any]) -> dict[str, Any] | None:
    if not verdicts["cases"]:
        return None
    return {
        "cases": f"{verdicts['cases']:,}",
        "fine": f"{verdicts['fine']:,}",
        "right": f"{verdicts['right']:,}",
        "rows": [
            {
                "label": label,
                "base": percent(verdicts[name]["base"]),
                "tried": percent(verdicts[name]["tried"]),
            }
            for name, label in (("false_block", _("false-block share")), ("leak", _("leak share")))
        ],
    }


def _sweep(run: BacktestRun, result: Mapping[str, Any]) -> dict[str, Any]:
    """The curve as a table, and as numbers for the plot."""
    sweep = result["sweep"]
    rule = next(
        rule for rule in parse_document(run.document, catalogue).rules if rule.key == sweep["rule"]
    )
    holds = sweep["layer"] == "intercept"
    points = sweep["points"]
    hits = {entry["key"]: entry["base"] for entry in result["rules"]}
    live_orders = result["held"]["base"] if holds else hits.get(sweep["rule"])
    return {
        "rule": rule.name,
        "holds": holds,
        "condition": phrase(rule.when[sweep["group"]][sweep["row"]]),
        "rows": [
            {
                "value": value_phrase(sweep["fact"], point["value"]),
                "is_current": point["value"] == sweep["current"],
                "held": f"{point['held']:,}",
                "acts": f"{point['acts']:,}",
                "false_block": percent(point["false_block"]),
                "leak": percent(point["leak"]),
            }
            for point in points
        ],
        "plot": {
            "values": [float(point["value"]) for point in points],
            "labels": [value_phrase(sweep["fact"], point["value"]) for point in points],
            "orders": [point["held" if holds else "acts"] for point in points],
            "share": [point["false_block"]["value"] for point in points],
            "low": [_known(point["false_block"], "low") for point in points],
            "high": [_known(point["false_block"], "high") for point in points],
            "current": float(sweep["current"]),
            "live_orders": live_orders,
            "live_share": result["verdicts"]["false_block"]["base"]["value"],
            "target": TARGET,
            "words": {
                "axis": _fact_name(sweep["fact"]),
                "orders": _("orders held") if holds else _("orders in which the rule acts"),
                "share": _("false-block share"),
                "interval": _("interval (95 %)"),
                "target": _("target: at most 5 %"),
                "tried": _("rules tried"),
                "live": _("live rules"),
                "current": _("now: %(value)s")
                % {"value": value_phrase(sweep["fact"], sweep["current"])},
            },
        },
    }


def _fact_name(key: str) -> str:
    fact = catalogue.get(key)
    return str(fact.label) if fact is not None else key


def _known(share: Mapping[str, Any], end: str) -> float | None:
    return share[end] if share["value"] is not None else None
