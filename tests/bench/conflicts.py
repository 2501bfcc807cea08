"""Proving what collides: whole rule sets of 300 and 1,000 rules, and one rule while it is typed.

Conflicts of every kind are planted among generated rules; each must be found and no sound
look-alike accused, or the run fails.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import TypeVar

from tests.bench.support import machine, report
from tests.bench.support.database import configured_url
from tests.bench.support.planted import planted

SIZES = (300, 1_000)
ROUNDS = 3
FOCUSED = 30
AT = datetime(2026, 11, 11, 12, tzinfo=UTC)
LIMIT_S = 5.0
LIMIT_MS = 300.0
Checked = TypeVar("Checked")


def main() -> None:
    """Check, compare with what was planted, and report."""
    options = report.arguments(__doc__ or "", seconds=0).parse_args()
    address = configured_url()
    os.environ["DATABASE_URL"] = address
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    _run(address).print(as_json=options.json)


def _run(address: str) -> report.Report:
    # Rules may be imported only now that Django is set up.
    from rules.analysis import check
    from rules.facts import Catalogue, catalogue
    from rules.parsing import parse_document

    # Which SKUs exist is the database's to say, and no part of the proof.
    facts = Catalogue(replace(fact, unknown=None) for fact in catalogue.all())
    rows: list[Sequence[report.Cell]] = []
    figures: dict[str, float] = {}
    for size in SIZES:
        raw, expected, sound = planted(size)
        document = parse_document(raw, facts)
        took: list[float] = []
        for _round in range(ROUNDS):
            whole, seconds = _timed(lambda: check(document, {}, at=AT, catalogue=facts))  # noqa: B023
            took.append(seconds)
            found = {(finding.kind, rule) for finding in whole.findings for rule in finding.rules}
            accused = {it.rules[0] for it in whole.findings if it.rules and it.level != "info"}
            if not whole.complete or not expected <= found or accused & sound:
                raise RuntimeError(f"missed {expected - found}, accused {accused & sound}")
        figures[f"check_{size}_s"] = median(took)
        keys = [rule.key for rule in document.rules][:: max(1, size // FOCUSED)]
        focused = [
            _timed(lambda: check(document, {}, at=AT, catalogue=facts, focus=key))[1]  # noqa: B023
            for key in keys
        ]
        figures[f"focus_{size}_ms"] = report.percentile(focused, 0.95) * 1_000
        rows.append(
            [
                f"{size:,} rules",
                len(expected),
                len(whole.findings),
                figures[f"check_{size}_s"],
                median(focused) * 1_000,
                figures[f"focus_{size}_ms"],
            ]
        )
    return report.Report(
        "conflicts",
        machine.description(address),
        figures,
        ["", "planted", "findings", "whole, s", "one rule p50, ms", "one rule p95, ms"],
        rows,
        [
            "CPU time; every planted conflict was found. "
            f"Limits: 1,000 rules in {LIMIT_S:g} s, one rule of 300 in {LIMIT_MS:g} ms."
        ],
    )


def _timed(act: Callable[[], Checked]) -> tuple[Checked, float]:
    # One thread that only computes: on an idle machine its CPU time is the time people wait.
    begun = time.process_time()
    return act(), time.process_time() - begun


if __name__ == "__main__":
    main()
