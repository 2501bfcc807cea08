"""A long backtest shared with a second process comes out as if one had done it all."""

import io
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orders.models import ScreeningDecision
from rules import backtest_helper
from rules.lifecycle import backtest_parts, backtests, import_document, publish
from rules.lifecycle.backtests import cancel_backtest, request_backtest
from rules.models import BacktestRun
from tests.orders.acting import placed
from tests.rules.documents import document, row, rule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("world")]

ORDERS = 30


def dear(key, amount):
    return rule(key, when=[[row("order.grand_total", "gte", amount)]])


@pytest.fixture
def history(settings, monkeypatch):
    """Orders of 100, 200, … yuan, an hour apart, and a draft that holds others than is live."""
    publish(import_document(document(dear("a", 1500)), "user:ops"), "user:ops")
    for number in range(1, ORDERS + 1):
        placed(f"B-{number}", lines=[("TEA-1", number, "100.00")])
    for place, decision in enumerate(ScreeningDecision.objects.order_by("id")):
        moment = decision.at - timedelta(hours=ORDERS - place)
        ScreeningDecision.objects.filter(pk=decision.pk).update(at=moment)
    monkeypatch.setattr(backtest_parts, "SHARED_FROM", 10)
    settings.BACKTEST_PROCESSES = 2


def ask(**more):
    first, *_others, last = ScreeningDecision.objects.order_by("at").values_list("at", flat=True)
    return request_backtest(
        "user:ops",
        since=first,
        until=last + timedelta(seconds=1),
        document=document(dear("a", 2500), dear("b", 700)),
        queue=False,
        **more,
    ).pk


def result_of(run_id, **options):
    done = backtests.run(run_id, **options)
    assert done is not None
    assert done.result is not None, done.error
    return done.result


def begun_processes(monkeypatch, command=None):
    """Every helper process that is begun, by another command if one is given."""
    begun = []
    begin = subprocess.Popen

    def popen(usual, **options):
        begun.append(begin(command or usual, **options))
        return begun[-1]

    monkeypatch.setattr(backtest_parts.subprocess, "Popen", popen)
    return begun


def test_two_processes_count_what_one_counts(history, settings, monkeypatch):
    begun = begun_processes(monkeypatch)
    shared = result_of(ask())
    assert len(begun) == 1

    settings.BACKTEST_PROCESSES = 1
    assert result_of(ask()) == shared
    assert len(begun) == 1
    assert shared["decisions"] == ORDERS
    assert shared["held"] == {"base": 16, "tried": 24}
    held = shared["changed"]["newly_held"]
    assert held["count"] == 8
    assert [one["reference"] for one in held["examples"]] == [f"B-{n}" for n in range(7, 15)]


def test_progress_counts_both_and_ends_with_all(history):
    told = []
    result_of(ask(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (ORDERS, ORDERS)
    assert [done for done, _total in told] == sorted(done for done, _total in told)


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-c", "raise SystemExit(3)"],
        [
            sys.executable,
            "-c",
            "import sys; sys.stdin.buffer.read(); print('5'); print('nonsense')",
        ],
        [sys.executable, "-c", "import sys; sys.stdin.buffer.read(); print('result')"],
    ],
    ids=["dies at once", "says nonsense", "breaks off in its result"],
)
def test_what_a_lost_process_had_to_count_is_counted_here(history, settings, monkeypatch, command):
    begun = begun_processes(monkeypatch, command)
    shared = result_of(ask())
    assert len(begun) == 1
    settings.BACKTEST_PROCESSES = 1
    assert result_of(ask()) == shared


def test_a_cancelled_backtest_takes_its_helper_along(history, monkeypatch):
    hangs = [sys.executable, "-c", "import time; time.sleep(60)"]
    begun = begun_processes(monkeypatch, hangs)
    run_id = ask()

    def cancel(_done, _total):
        cancel_backtest(run_id)

    done = backtests.run(run_id, progress=cancel)

    assert done is not None
    assert (done.state, done.result) == ("cancelled", None)
    assert begun[0].poll() is not None


def test_a_helper_whose_parent_is_gone_counts_no_further(monkeypatch):
    counted = iter(SimpleNamespace(count=number) for number in range(100))
    monkeypatch.setattr(backtest_parts, "count", lambda _part: counted)
    told = io.BytesIO()

    backtest_helper._serve(None, told, parent=-1)

    assert told.getvalue() == b""
    assert next(counted).count == 1


def test_a_sweep_and_a_short_history_stay_in_one_process(history, monkeypatch):
    begun = begun_processes(monkeypatch)
    result_of(ask(sweep={"rule": "a", "group": 0, "row": 0}))
    monkeypatch.setattr(backtest_parts, "SHARED_FROM", ORDERS + 1)
    result_of(ask())
    assert begun == []
    assert BacktestRun.objects.filter(state="done").count() == 2
