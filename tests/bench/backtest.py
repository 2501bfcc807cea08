"""A backtest of changed rules against live ones, 300 each, over a million stored decisions.

Beside it, on a sample, the plain way: every decision read as typed facts and decided anew.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime

import orjson
import psycopg

from tests.bench.support import machine, report
from tests.bench.support.database import product_database

DECISIONS = 1_000_000
RULES = 300
SAMPLE = 3_000
LISTED = ("ship_to.phone", "ship_to.address", "customer.external_id")


def main() -> None:
    """Fill a database, run the backtest in a process of its own, and report."""
    chosen = report.arguments(__doc__ or "", seconds=0.0)
    chosen.add_argument("--decisions", type=int, default=DECISIONS)
    chosen.add_argument("--profile", action="store_true", help="where the time goes, to stderr")
    chosen.add_argument("--run", type=int, help="only do that backtest, in the database named")
    options = chosen.parse_args()
    if options.run:
        print(json.dumps(_run(options.run, profiled=options.profile)))
        return
    with product_database() as address:
        result = _measure(address, options.decisions, profiled=options.profile)
    result.print(as_json=options.json)


def _measure(address: str, decisions: int, *, profiled: bool) -> report.Report:
    run_id, filled = _prepare(address, decisions)
    command = [sys.executable, "-m", "tests.bench.backtest", "--run", str(run_id)]
    command += ["--profile"] if profiled else []
    before = machine.past_backends_cpu("sluice_bench")
    done = subprocess.run(command, env=os.environ, check=True, stdout=subprocess.PIPE)
    server = machine.past_backends_cpu("sluice_bench") - before
    ours = json.loads(done.stdout)
    naive = _naive_seconds(address) / SAMPLE
    each, million = ours["seconds"] / decisions, 1e6 / decisions
    figures = {
        "million_s": ours["seconds"] * million,
        "peak_mib": ours["peak_mib"],
        # CPU against CPU: the wall clock also counts whoever else uses the machine.
        "over_naive": naive * decisions / ours["cpu"],
        "own_cpu_s": ours["cpu"] * million,
        "server_cpu_s": server * million,
    }
    rows: list[Sequence[report.Cell]] = [
        ["backtest, both documents", decisions, ours["seconds"], each * 1e6],
        ["one by one, both documents", SAMPLE, naive * SAMPLE, naive * 1e6],
    ]
    return report.Report(
        "backtest",
        machine.description(address),
        figures,
        ["", "decisions", "seconds", "µs/decision"],
        rows,
        [
            f"{RULES} live and {RULES} changed rules; {ours['changed']:,} orders go otherwise, "
            f"{ours['held']:,} are held. Filling took {filled:.0f} s. "
            "Limits: 30 s and 1,024 MiB for a million."
        ],
    )


def _prepare(address: str, decisions: int) -> tuple[int, float]:
    """Orders with their decisions, live rules and changed ones; the backtest to run."""
    from orders.actors import SYSTEM
    from orders.lifecycle.placing import place_order
    from rules.lifecycle import add_list_entries, create_list, import_document, publish
    from rules.lifecycle.backtests import request_backtest
    from tests.bench.support import past
    from tests.factories import make_world, order_document

    make_world()
    place_order(order_document("PAST-1"), actor=SYSTEM)
    started = time.monotonic()
    past.fill(address, decisions)
    filled = time.monotonic() - started
    listed = create_list("blocked", "blocked", "system", "blocklist")
    numbers = [f"+86138{number * 977:08d}" for number in range(2_000)]
    add_list_entries(listed, numbers, "system")
    publish(import_document(_rules(changed=False), "system"), "system")
    run = request_backtest(
        "system",
        since=datetime.fromisoformat("2024-01-01T00:00:00Z"),
        until=datetime.fromisoformat("2025-01-01T00:00:00Z"),
        document=_rules(changed=True),
        queue=False,
    )
    return run.pk, filled


def _rules(*, changed: bool) -> dict[str, object]:
    """The rules of a busy desk, or the same with every tenth one written anew."""
    from tests.bench.support import rulesets

    rules = rulesets.rules_json(RULES)["rules"]
    if changed:
        rules[::10] = rulesets.rules_json(RULES, seed=9)["rules"][::10]
    for place, fact in enumerate(LISTED):
        when = [[{"fact": fact, "op": "in_list", "value": "blocked"}]]
        rules[6 * place] = rules[6 * place] | {"when": when}
    return {"rules": rules}


def _run(run_id: int, *, profiled: bool) -> dict[str, float]:
    """The backtest, timed from its first look at the database to its kept result.

    CPU and memory are those of both its processes.
    """
    import cProfile
    import pstats
    import resource

    import django

    django.setup()
    from django.urls import get_resolver

    from rules.lifecycle import backtests

    # A worker has long loaded what the addresses of the examples need.
    get_resolver().url_patterns  # noqa: B018
    profile = cProfile.Profile() if profiled else None
    wall, cpu = time.perf_counter(), time.process_time()
    run = profile.runcall(backtests.run, run_id) if profile else backtests.run(run_id)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    helper, own = (
        resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
    )
    cpu += helper.ru_utime + helper.ru_stime
    if profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    assert run is not None
    assert run.result is not None, run.error
    return {
        "seconds": wall,
        "cpu": cpu,
        "peak_mib": (own.ru_maxrss + helper.ru_maxrss) / 1024,
        "changed": sum(found["count"] for found in run.result["changed"].values()),
        "held": run.result["held"]["tried"],
    }


def _naive_seconds(address: str) -> float:
    """CPU time of deciding a sample one by one, by both documents, from its stored text."""
    from rules import live
    from rules.evaluation import compile_rules
    from rules.facts import catalogue
    from rules.parsing import parse_document

    parsed = [parse_document(_rules(changed=changed), catalogue) for changed in (False, True)]
    compiled = [compile_rules(document, live.load_lists(document)) for document in parsed]
    with psycopg.connect(address) as connection:
        found = connection.execute(
            "SELECT at, facts::text FROM orders_screeningdecision ORDER BY id LIMIT %s", (SAMPLE,)
        ).fetchall()
    started = time.process_time()
    for at, text in found:
        facts, _mistakes = catalogue.read(orjson.loads(text))
        for rules in compiled:
            rules.decide(facts, at)
    return time.process_time() - started


if __name__ == "__main__":
    main()
