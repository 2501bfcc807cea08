"""Deciding one order: ours, the plain interpreter and GoRules' zen-engine, at 200 and 1,000 rules.

All contenders answer the same orders in turns within one run, and must agree on every one.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

from tests.bench.support import machine, report
from tests.bench.support.database import configured_url

SIZES = (200, 1_000)
ORDERS = 400
ROUNDS = 5
AT = datetime(2026, 11, 11, 12, tzinfo=UTC)
SAMPLES = {"ours": ORDERS, "plain interpreter": 40, "zen expressions": 20, "zen table": 20}
"""Orders each contender answers in a round; a slow one answers fewer."""


def main() -> None:
    """Measure in turns, compare the answers, and report."""
    options = report.arguments(__doc__ or "", seconds=0).parse_args()
    address = configured_url()

    import os

    os.environ["DATABASE_URL"] = address
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    result = _run(address)
    result.print(as_json=options.json)


def _run(address: str) -> report.Report:
    from rules.evaluation import compile_rules
    from rules.facts import catalogue
    from rules.naive import decide_naively
    from rules.parsing import parse_document
    from tests.bench.support import rulesets, zen

    cases = rulesets.facts(ORDERS)
    contexts = [zen.context(facts) for facts in cases]
    costs: dict[tuple[str, int], float] = {}
    compiling: dict[int, float] = {}
    held = 0
    for size in SIZES:
        document = parse_document(rulesets.rules_json(size), catalogue)
        begun = time.perf_counter()
        compiled = compile_rules(document)
        compiling[size] = (time.perf_counter() - begun) * 1e3
        expressions, table = zen.Expressions(document), zen.DecisionTable(document)
        contenders: dict[str, Callable[[int], object]] = {
            "ours": lambda i, engine=compiled: engine.decide(cases[i], AT),  # type: ignore[misc]
            "plain interpreter": lambda i, d=document: decide_naively(d, cases[i], AT),  # type: ignore[misc]
            "zen expressions": lambda i, e=expressions: e.matching(contexts[i]),  # type: ignore[misc]
            "zen table": lambda i, t=table: t.matching(contexts[i]),  # type: ignore[misc]
        }
        decisions = [compiled.decide(facts, AT) for facts in cases]
        held = sum(decision.intercept is not None for decision in decisions)
        for index in range(SAMPLES["zen table"]):
            said = zen.ours(decisions[index])
            assert decide_naively(document, cases[index], AT) == decisions[index]
            assert zen.answer(expressions.matching(contexts[index])) == said
            assert zen.answer(table.matching(contexts[index])) == said
        rounds: dict[str, list[float]] = {name: [] for name in contenders}
        for _round in range(ROUNDS):
            for name, ask in contenders.items():
                rounds[name].append(_cost_us(ask, SAMPLES[name]))
        costs |= {(name, size): median(found) for name, found in rounds.items()}
    return _report(address, costs, compiling, held)


def _cost_us(ask: Callable[[int], object], count: int) -> float:
    begun = time.process_time()
    for index in range(count):
        ask(index)
    return (time.process_time() - begun) / count * 1e6


def _report(
    address: str,
    costs: dict[tuple[str, int], float],
    compiling: dict[int, float],
    held: int,
) -> report.Report:
    few, many = SIZES
    zen_best = min(costs["zen expressions", many], costs["zen table", many])
    rows: list[Sequence[report.Cell]] = [
        [
            name,
            costs[name, few],
            costs[name, many],
            costs[name, many] / costs["ours", many],
        ]
        for name in SAMPLES
    ]
    return report.Report(
        "rules",
        machine.description(address) | {"zen-engine": version("zen-engine")},
        {
            "ratio_over_zen_1000": zen_best / costs["ours", many],
            "cost_1000_over_200": costs["ours", many] / costs["ours", few],
            "ratio_over_plain_1000": costs["plain interpreter", many] / costs["ours", many],
            "ours_1000_us": costs["ours", many],
            "compile_1000_ms": compiling[many],
        },
        ["µs a decision", f"{few} rules", f"{many} rules", "× ours"],
        rows,
        [
            f"{ORDERS} orders, {held} of them held at {many} rules; the answers of the first "
            f"{SAMPLES['zen table']} are compared. The ratio is to the faster form of zen-engine. "
            "Limits: ≥ 100 × zen, ≤ 4 × from 200 to 1,000."
        ],
    )


if __name__ == "__main__":
    main()
