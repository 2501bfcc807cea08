"""`manage.py rules backtest`: rules tried on past orders, at the terminal."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import IO, Any, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from rules.backtest_words import class_label, summary
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import backtests
from rules.models import BacktestRun, BacktestState, RuleSet, RuleSetState
from rules.parsing import load_json

SHOWN_RULES = 20


def add_arguments(parser: ArgumentParser) -> None:
    """What `backtest` takes."""
    parser.add_argument("file", nargs="?", help="a JSON file, or - for standard input")
    parser.add_argument("--version", dest="number", type=int, help="a version to try")
    parser.add_argument("--draft", action="store_true", help="try the draft; the default")
    parser.add_argument("--base", type=int, help="version to compare with; default: the live one")
    parser.add_argument("--since", help="first day or time, such as 2026-06-01")
    parser.add_argument("--until", help="day or time before which to stop; default: now")
    parser.add_argument("--days", type=int, default=30, help="length without --since")
    parser.add_argument(
        "--sweep",
        metavar="RULE:GROUP:ROW[:END]",
        help="move one number; groups and rows count from 0, END is low or high",
    )
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def backtest_rules(
    options: dict[str, Any], read: Callable[[str], bytes], out: OutputWrapper, err: OutputWrapper
) -> None:
    """Run it here and now, with a bar on a terminal, and print what came out.

    Raises CommandError when it is refused, cancelled by Ctrl-C, or fails.
    """
    since, until = _period(options)
    try:
        run = backtests.request_backtest(
            "system",
            since=since,
            until=until,
            document=load_json(read(options["file"])) if options["file"] else None,
            version=None if options["file"] else _version(options),
            base=options["base"],
            sweep=_sweep(options["sweep"]),
            queue=False,
        )
    except DocumentInvalid as error:
        for mistake in error.errors:
            err.write(f"{mistake.path or '.'}: {mistake.message} [{mistake.code}]")
        raise CommandError(_("Errors: %(count)d.") % {"count": len(error.errors)}) from None
    except NotPossible as error:
        raise CommandError(str(error)) from None
    done = _run(run)
    if done is None or done.state != BacktestState.DONE:
        raise CommandError(done.error if done and done.error else _("The backtest was cancelled."))
    if options["json"]:
        out.write(json.dumps(done.result, ensure_ascii=False, indent=2))
    else:
        _print(done, out)


def _version(options: dict[str, Any]) -> int:
    if options["number"] is not None:
        return int(options["number"])
    draft = RuleSet.objects.filter(state=RuleSetState.DRAFT).values_list("version", flat=True)
    if not draft:
        raise CommandError(_("There is no draft; name a file or a version."))
    return int(draft[0])


def _period(options: dict[str, Any]) -> tuple[datetime, datetime]:
    until = _moment(options["until"]) if options["until"] else timezone.now()
    if options["since"]:
        return _moment(options["since"]), until
    try:
        return until - timedelta(days=options["days"]), until
    except OverflowError:
        raise CommandError(_("Expected a number.")) from None


def _moment(text: str) -> datetime:
    """A day or time; without an offset it is the shop's."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = _("Expected a time such as 2026-06-18T00:00:00+08:00.")
        raise CommandError(f"{text}: {message}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(settings.SHOP_TIME_ZONE))


def _sweep(text: str | None) -> dict[str, object] | None:
    if not text:
        return None
    rule, *places = text.split(":")
    if len(places) not in (2, 3) or not all(place.isdecimal() for place in places[:2]):
        raise CommandError(_("Expected RULE:GROUP:ROW, such as big-order:0:1."))
    plan: dict[str, object] = {"rule": rule, "group": int(places[0]), "row": int(places[1])}
    return plan | ({"end": places[2]} if len(places) == 3 else {})


def _run(run: BacktestRun) -> BacktestRun | None:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=run.total)
        return backtests.run(
            run.pk, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def _print(run: BacktestRun, out: OutputWrapper) -> None:
    result: Any = run.result
    console = Console(file=cast(IO[str], out), soft_wrap=True, highlight=False)
    for sentence in summary(result):
        console.print(sentence, markup=False)
    table = Table(_("change"), _("orders"), _("money at stake"))
    for name, found in result["changed"].items():
        if found["count"]:
            table.add_row(class_label(name), f"{found['count']:,}", found["amount"])
    if table.rows:
        console.print(table)
    table = Table(_("rule"), _("base"), _("tried"))
    rules = sorted(
        result["rules"], key=lambda rule: -abs((rule["tried"] or 0) - (rule["base"] or 0))
    )
    for rule in rules[:SHOWN_RULES]:
        table.add_row(rule["key"], _count(rule["base"]), _count(rule["tried"]))
    if table.rows:
        console.print(table)
    if result["sweep"]:
        console.print(_curve(result["sweep"]))


def _count(hits: int | None) -> str:
    return "–" if hits is None else f"{hits:,}"


def _curve(sweep: dict[str, Any]) -> Table:
    table = Table(sweep["fact"], _("held"), _("rule acts"), _("false-block share"), _("leak share"))
    for point in sweep["points"]:
        mark = " ←" if point["value"] == sweep["current"] else ""
        shares = (_share(point[name]) for name in ("false_block", "leak"))
        table.add_row(
            f"{point['value']}{mark}", f"{point['held']:,}", f"{point['acts']:,}", *shares
        )
    return table


def _share(share: dict[str, Any]) -> str:
    if share["value"] is None:
        return "–"
    return f"{share['value']:.1%} ({share['low']:.0%}–{share['high']:.0%})"
