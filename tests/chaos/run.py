"""`python -m tests.chaos.run`: faults against a running feed, and a judgement of what came of it.

See docs/chaos.md. The exit code is 0 when no invariant is violated and every broken variant that
was asked for is caught, 1 otherwise, 2 when something could not be run.
"""

import argparse
import logging
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import checker
from tests.chaos.histories import load
from tests.chaos.stage import ROOT, Stage
from tests.chaos.table import Outcome, summary, table, variants_table

SECONDS = 5.0
SHORT_SECONDS = 3.0
SHORT = ("kill", "stop", "postgres", "open")
SHORT_VARIANTS = ("no-claim", "pull-by-id")
KEPT = ROOT / ".data" / "chaos"


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    if chosen.check:
        return _check_again(chosen.check)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}  (the same faults again: --seed {seed})", flush=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stage = Stage.open()
    try:
        _say("two servers started; making the database")
        stage.make_template()
        import django

        django.setup()
        # The product reports what is done to it; here that is noise.
        logging.disable(logging.CRITICAL)
        from tests.chaos.episode import Theatre

        with Theatre.opened(stage) as theatre:
            outcomes = list(_runs(theatre, seed, chosen))
    except Exception:
        print(stage.last_words())
        raise
    finally:
        stage.close()
    judged = [one for one in outcomes if one.variant is None]
    broken = [one for one in outcomes if one.variant is not None]
    for text in (table(judged), summary(judged), variants_table(broken)):
        if text:
            print(f"\n{text}")
    failed = [one for one in outcomes if not one.is_good]
    print(f"\nseed {seed}: {_words(failed)} in {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


def _runs(theatre: Any, seed: int, chosen: argparse.Namespace) -> Any:
    from tests.chaos.nemeses import NEMESES
    from tests.chaos.variants import VARIANTS

    names, variants = _wanted(chosen, list(NEMESES), list(VARIANTS))
    seconds = chosen.seconds or (SHORT_SECONDS if chosen.short else SECONDS)
    calm = not chosen.short
    for number, name in enumerate(names, start=1):
        head = f"[{number}/{len(names) + len(variants)}] {name:<14}"
        yield _run(theatre, NEMESES[name], seed, seconds, None, calm, head, chosen.keep)
    for number, name in enumerate(variants, start=len(names) + 1):
        variant = VARIANTS[name]
        head = f"[{number}/{len(names) + len(variants)}] {name:<14}"
        nemesis = NEMESES[variant.nemesis]
        seconds = chosen.seconds or variant.seconds
        yield _run(theatre, nemesis, seed, seconds, variant, True, head, chosen.keep)


def _run(
    theatre: Any,
    nemesis: Any,
    seed: int,
    seconds: float,
    variant: Any,
    calm: bool,
    head: str,
    keeps: bool,
) -> Outcome:
    from tests.chaos.episode import Episode, keep

    began = time.monotonic()
    own_seed = f"{seed}:{nemesis.name}"
    # The least time is for the whole truth; short runs and broken feeds show less, but sooner.
    if calm and variant is None:
        seconds = max(seconds, nemesis.least_seconds)
    with Episode(theatre, nemesis, seed=own_seed, seconds=seconds, variant=variant) as episode:
        episode.live()
        history = episode.history
        outcome = Outcome(
            nemesis.name, nemesis.words, history, checker.check(history, calm=calm), variant
        )
        outcome.seconds = time.monotonic() - began
        _say(f"{head} {outcome.line()}")
        if keeps or not outcome.is_good:
            kept = KEPT / f"{seed}-{episode.home.name}"
            path = keep(history, episode.home)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(episode.home, kept)
            if not outcome.is_good:
                print(outcome.complaint())
            again = f"--variant {variant.name}" if variant else f"--only {nemesis.name}"
            print(f"  again:  python -m tests.chaos.run --seed {seed} {again}")
            print(f"  judged: python -m tests.chaos.run --check {kept / path.name}", flush=True)
    return outcome


def _wanted(
    chosen: argparse.Namespace, nemeses: list[str], variants: list[str]
) -> tuple[list[str], list[str]]:
    """Names of nemeses and of variants to run; raises SystemExit for an unknown one."""
    unknown = set(chosen.only) - set(nemeses) or set(chosen.variant) - set(variants) - {"all"}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}")
        print(f"nemeses:  {', '.join(nemeses)}\nvariants: {', '.join(variants)}")
        raise SystemExit(2)
    broken = variants if "all" in chosen.variant else chosen.variant
    if chosen.only or chosen.variant:
        return chosen.only, broken
    if chosen.short:
        return list(SHORT), list(SHORT_VARIANTS)
    return nemeses, variants


def _check_again(path: Path) -> int:
    history = load(path)
    outcome = Outcome(history.nemesis, "", history, checker.check(history), None)
    print(table([outcome]))
    print(outcome.complaint())
    return 0 if outcome.is_good else 1


def _words(failed: list[Outcome]) -> str:
    if not failed:
        return "every invariant holds"
    return f"{len(failed)} runs failed ({', '.join(one.label for one in failed)})"


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the faults and writes of another run")
    parser.add_argument("--seconds", type=float, help="how long each nemesis has")
    parser.add_argument("--short", action="store_true", help="the few runs that the tests make")
    parser.add_argument("--only", action="append", default=[], metavar="NEMESIS")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME", help="a broken feed, or all"
    )
    parser.add_argument("--keep", action="store_true", help="keep every history, also good ones")
    parser.add_argument("--check", type=Path, metavar="FILE", help="judge a kept history again")
    return parser


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
