"""Acts on backtests: ask for one, stop it, and do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules import history, live
from rules.document import Document
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle.backtest_parts import Helper, count, count_on, cut, part_of, undisturbed
from rules.lifecycle.common import known_lists
from rules.models import BacktestRun, BacktestState, RuleSet, RuleSetState
from rules.parsing import parse_document
from rules.storage import ruleset_as_json
from rules.sweep import SweepPlan, read_plan

MOST_AT_ONCE = 3
"""Backtests one person may have waiting or running."""
PROGRESS_SECONDS = 0.5
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No decision is older, and some clocks cannot tell much earlier times."""

_LOCK = 0x51_BAC
_UNFINISHED = (BacktestState.QUEUED, BacktestState.RUNNING)

log = structlog.get_logger(__name__)
Progress = Callable[[int, int], None]
"""(decisions done, decisions in all)"""


class _CancelAsked(Exception):
    """Somebody wants this backtest to stop."""


@transaction.atomic
def request_backtest(
    actor: str,
    *,
    since: datetime,
    until: datetime,
    document: object = None,
    version: int | None = None,
    base: int | None = None,
    sweep: object = None,
    title: str = "",
    queue: bool = True,
) -> BacktestRun:
    """Have rules tried on the orders of a period, by a worker unless `queue` is off.

    The rules are a document in JSON form or those of a version, draft or not, as they are at
    this moment; they are compared with the published version `base`, by default the live one,
    or with no rules at all where none is live. `sweep` is read by `rules.sweep.read_plan`.
    Raises DocumentInvalid, its paths starting with `rules`, `version`, `base`, `sweep`,
    `since` or `until`; NotPossible when this person has too many on the way already.
    """
    tried_version, raw = _asked_rules(document, version)
    parsed = parse_document(raw, catalogue, known_lists())
    base_version = _base_version(base)
    plan = read_plan(sweep, parsed) if sweep is not None else None
    if since >= until:
        raise _refusal("until", "reversed", _("The end must come after the start."))
    since, until = max(since, EARLIEST), min(until, database_now())
    total = history.source().count(since, until) if since < until else 0
    if not total:
        raise _refusal("since", "no_history", _("No order was screened in this period."))
    if queue and _on_the_way(actor) >= MOST_AT_ONCE:
        raise NotPossible(
            _("%(count)d of your backtests are on the way already; wait for one or cancel it.")
            % {"count": MOST_AT_ONCE}
        )
    run = BacktestRun.objects.create(
        title=title,
        document=parsed.as_json(),
        base_version=base_version,
        tried_version=tried_version,
        since=since,
        until=until,
        sweep=plan.as_json() if plan is not None else None,
        total=total,
        requested_by=actor,
    )
    if queue:
        transaction.on_commit(partial(_queue, run.pk))
    return run


def _queue(run_id: int) -> None:
    from rules.tasks import run_backtest  # a door, and doors import this module

    run_backtest.delay(run_id)


def _asked_rules(document: object, version: int | None) -> tuple[int | None, object]:
    if document is not None:
        return None, document
    found = RuleSet.objects.filter(version=version).first()
    if found is None:
        raise _refusal("version", "unknown_version", _("There is no such version."))
    return version, ruleset_as_json(found)


def _base_version(asked: int | None) -> int | None:
    published = RuleSet.objects.exclude(state=RuleSetState.DRAFT)
    if asked is None:
        live_now = published.filter(state=RuleSetState.LIVE)
        return live_now.values_list("version", flat=True).first()
    if not published.filter(version=asked).exists():
        raise _refusal("base", "unknown_version", _("There is no such published version."))
    return asked


def _refusal(path: str, code: str, message: str) -> DocumentInvalid:
    return DocumentInvalid([DocumentError(path, code, message)])


def _on_the_way(actor: str) -> int:
    """This person's backtests that wait, or that a living worker is at."""
    mine = BacktestRun.objects.filter(requested_by=actor)
    waiting = mine.filter(state=BacktestState.QUEUED).count()
    running = set(mine.filter(state=BacktestState.RUNNING).values_list("pk", flat=True))
    return waiting + len(running & _worked_at())


def _worked_at() -> set[int]:
    """The backtests that some process is at, whatever their state says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            " AND granted AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())",
            (_LOCK,),
        )
        return {key for (key,) in cursor.fetchall()}


@contextmanager
def _alone_at(run_id: int) -> Iterator[bool]:
    """Whether nobody else is at this backtest; then nobody else can be until the block ends.

    The lock lives in a transaction of a connection of its own, so it ends with the process
    that holds it, however that ends.
    """
    with closing(connection.copy()) as own:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK, run_id))
            (mine,) = cursor.fetchone()
        try:
            yield mine
        finally:
            own.rollback()


@transaction.atomic
def cancel_backtest(run_id: int) -> BacktestRun:
    """Stop a backtest: at once when no worker is at it, else within a second.

    Repeating it changes nothing. Raises NotPossible when it is finished or gone.
    """
    run = BacktestRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise NotPossible(_("This backtest no longer exists."))
    if run.state == BacktestState.CANCELLED:
        return run
    if run.state not in _UNFINISHED:
        raise NotPossible(_("This backtest is finished already."))
    run.cancel_asked = True
    if run_id not in _worked_at():
        run.state, run.finished_at = BacktestState.CANCELLED, database_now()
    run.save(update_fields=["cancel_asked", "state", "finished_at"])
    return run


def run(run_id: int, *, progress: Progress | None = None) -> BacktestRun | None:
    """Do a backtest, and keep its result or what went wrong; safe to call twice.

    Nothing happens when it is finished, gone, or a living process is at it; the one of a
    process that died is begun again. Returns it as it then is, None when it is gone. Not for
    use inside a transaction: others must see how far it is.
    """
    with _alone_at(run_id) as mine:
        if mine and _begin(run_id):
            _end(run_id, *_outcome(run_id, progress))
    return BacktestRun.objects.filter(pk=run_id).first()


@transaction.atomic
def _begin(run_id: int) -> bool:
    run = BacktestRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None or run.state not in _UNFINISHED:
        return False
    run.started_at, run.done = database_now(), 0
    run.state = BacktestState.RUNNING
    if run.cancel_asked:
        run.state, run.finished_at = BacktestState.CANCELLED, run.started_at
    run.save(update_fields=["started_at", "done", "state", "finished_at"])
    return run.state == BacktestState.RUNNING


@transaction.atomic
def _end(
    run_id: int, state: BacktestState, result: Mapping[str, Any] | None = None, error: str = ""
) -> None:
    run = BacktestRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        return
    run.state, run.result, run.error, run.finished_at = state, result, error, database_now()
    if state == BacktestState.DONE and result is not None:
        run.total = run.done = result["decisions"]
    run.save(update_fields=["state", "result", "error", "finished_at", "total", "done"])


def _outcome(
    run_id: int, progress: Progress | None
) -> tuple[BacktestState, Mapping[str, Any] | None, str]:
    try:
        return BacktestState.DONE, _result(BacktestRun.objects.get(pk=run_id), progress), ""
    except (_CancelAsked, BacktestRun.DoesNotExist, KeyboardInterrupt):
        return BacktestState.CANCELLED, None, ""
    except DocumentInvalid as error:
        first = error.errors[0]
        text = _("The rules name what no longer exists: %(problem)s") % {"problem": first.message}
    except DatabaseError:
        log.exception("backtest failed", run=run_id)
        text = _("The database could not be read to the end; start the backtest again.")
    except Exception:
        log.exception("backtest failed", run=run_id)
        text = _("Something unforeseen went wrong; the log of the worker names it.")
    return BacktestState.FAILED, None, text


def _result(run: BacktestRun, progress: Progress | None) -> Mapping[str, Any]:
    """Count all cases, the later half in a process of its own where there are many."""
    base, tried, plan = _documents(run)
    lists = live.load_lists(base) | live.load_lists(tried)
    whole = part_of(base, tried, lists, plan, run.since, run.until)
    first, *others = cut(whole, run.total)
    teller = _Teller(run, progress)
    source = history.source()
    with undisturbed(), ExitStack() as at_the_end:
        helpers = [at_the_end.enter_context(Helper(part)) for part in others]
        counting = at_the_end.enter_context(closing(count(first)))
        for backtest in counting:
            teller.tell(backtest.count + sum(helper.done for helper in helpers))
        for helper in helpers:
            while not helper.is_over:
                helper.wait(PROGRESS_SECONDS)
                teller.tell(backtest.count + helper.done)
            if helper.counted is not None:
                backtest.absorb(helper.counted)
                continue
            for _so_far in count_on(backtest, helper.part, source):
                teller.tell(backtest.count)
    teller.tell(backtest.count, now=True)
    return backtest.result({case.id: case for case in source.cases(backtest.examples())})


def _documents(run: BacktestRun) -> tuple[Document, Document, SweepPlan | None]:
    tried = parse_document(run.document, catalogue)
    base = Document()
    if run.base_version is not None:
        raw = RuleSet.objects.values_list("document", flat=True).get(version=run.base_version)
        base = parse_document(raw, catalogue)
    return base, tried, read_plan(run.sweep, tried) if run.sweep is not None else None


class _Teller:
    """Writes how far a backtest is, twice a second, and looks whether it should stop."""

    def __init__(self, run: BacktestRun, progress: Progress | None) -> None:
        self._run, self._progress = run, progress
        self._told_at = float("-inf")

    def tell(self, done: int, *, now: bool = False) -> None:
        """Raises _CancelAsked when somebody wants it to stop."""
        if not now and time.monotonic() - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        BacktestRun.objects.filter(pk=self._run.pk).update(done=done)
        if self._progress is not None:
            self._progress(done, self._run.total)
        if BacktestRun.objects.values_list("cancel_asked", flat=True).get(pk=self._run.pk):
            raise _CancelAsked
