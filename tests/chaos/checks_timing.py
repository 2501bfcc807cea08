"""Invariants about time: who waits for whom, how long retries pause, what lag is said; pure.

They compare within one run, with generous floors, for the machine may be busy.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.histories import Endpoint, Fault, History, percentile
from tests.chaos.reading import (
    by_pair,
    first_answers,
    gaps_of,
    last_answers,
    tells_again,
    wanted_by,
)
from tests.chaos.violations import Violation, violation

RATIO = 1.5
FLOOR_SECONDS = 0.8
# Of few waits the 95th in a hundred is the longest one, which may be the machine's fault; and few
# there are when a feed stands still.
SHARES = {30: 0.95, 10: 0.75, 5: 0.5}
# Subjects that are refused; those that are parked are tried again by hand, at no drawn moment.
REFUSED = ("poison", "parked")
REFUSED_CAP = 600.0
# Polling, claiming and a busy machine, on top of the drawn pause.
LATE_SECONDS = 4.0
LAG_SLACK_SECONDS = 2.0
LAG_SLACK_SHARE = 0.25
RECORDED_WITHIN = 1.0


def poison_stays_alone(history: History) -> list[Violation] | None:
    """6. A poison subject leaves the others' p99 within 1.5 times."""
    return _compared(history, *REFUSED, same_endpoint=True)


def dead_endpoints_stay_alone(history: History) -> list[Violation] | None:
    """7. A dead endpoint leaves other endpoints' lag unchanged."""
    return _compared(history, "receiver", same_endpoint=False)


def _compared(history: History, *kinds: str, same_endpoint: bool) -> list[Violation] | None:
    faults = list(history.faults_of(*kinds))
    struck = {one.endpoint for one in faults}
    if not faults:
        return None
    found: list[Violation] = []
    judged = False
    for fault in {(one.endpoint * same_endpoint, one.began): one for one in faults}.values():
        for endpoint in history.endpoints:
            is_meant = endpoint.name == fault.endpoint
            if not (is_meant if same_endpoint else endpoint.name not in struck):
                continue
            before, during = _delays(history, endpoint, fault)
            fewest = min(len(before), len(during))
            share = next((share for least, share in SHARES.items() if fewest >= least), None)
            if share is None:
                continue
            judged = True
            usual, then = percentile(before, share), percentile(during, share)
            if then > RATIO * usual + FLOOR_SECONDS:
                words = (
                    f"{endpoint.name}: p{100 * share:.0f} from commit to 2xx rose from "
                    f"{usual * 1000:.0f} to "
                    f"{then * 1000:.0f} ms while {fault.detail or fault.kind}"
                )
                found.append(violation(words, f"{len(before)} before, {len(during)} during"))
    return found if judged else None


def _delays(history: History, endpoint: Endpoint, fault: Fault) -> tuple[list[float], list[float]]:
    """Seconds from commit to acknowledgement, before the fault and during it.

    Only of changes that found nothing pending before them: a subject that is written all the
    time waits for its own turn, whatever happens elsewhere.
    """
    committed = {one.token: one.ended for one in history.writes if one.outcome == "committed"}
    before: list[float] = []
    during: list[float] = []
    answers = first_answers(history, endpoint.name)
    poisoned = {one.subject for one in history.faults_of(*REFUSED)}
    latest: dict[str, float] = defaultdict(float)
    for change in wanted_by(endpoint, history):
        at = committed.get(change.token)
        answer = answers.get(change.id)
        free_at = latest[change.subject]
        latest[change.subject] = answer.ended if answer else math.inf
        if at is None or answer is None or change.subject in poisoned or free_at > at:
            continue
        if at < fault.began - 1:
            before.append(answer.ended - at)
        elif fault.began <= at <= fault.ended:
            during.append(answer.ended - at)
    return before, during


def retries_pause(history: History) -> list[Violation] | None:
    """14. Retry gaps lie within the jitter band, and are as long as Retry-After asks.

    The band of a refused subject is known exactly, for nothing else delays it: anything from
    nothing to 2^(n-1) seconds after the n-th failure, capped, and not always the same.
    """
    found = []
    judged = False
    shares: list[float] = []
    poisoned = {(one.endpoint, one.subject) for one in history.faults_of("poison")}
    for pair, deliveries in by_pair(history.deliveries).items():
        failures = 0
        for before, after in pairwise(deliveries):
            failures = failures + 1 if before.id == after.id else 0
            if before.is_acknowledged or before.id != after.id:
                failures = 0
                continue
            gap = after.began - before.ended
            if before.asked_to_wait:
                judged = True
                if gap < before.asked_to_wait - 0.05:
                    words = (
                        f"{pair[0]} asked for {before.asked_to_wait:g} s and was sent "
                        f"{pair[1]} again after {gap:.2f} s"
                    )
                    found.append(violation(words, before, after))
            elif pair in poisoned and before.status and 400 <= before.status < 500:
                judged = True
                ceiling = min(REFUSED_CAP, 2.0 ** (failures - 1))
                shares.append(gap / ceiling)
                if gap > ceiling + LATE_SECONDS:
                    words = (
                        f"{pair[0]} waited {gap:.1f} s to send {pair[1]} again after failure "
                        f"{failures}, at most {ceiling:g} s are allowed"
                    )
                    found.append(violation(words, before, after))
    # Of pauses drawn evenly, so many are alike once in a million runs.
    if len(shares) >= 8 and (min(shares) > 0.85 or max(shares) - min(shares) < 0.15):
        shown = ", ".join(f"{share:.2f}" for share in shares[:8])
        found.append(violation("every pause is about the same share of its ceiling", shown))
    return found if judged else None


def lag_is_told(history: History) -> list[Violation] | None:
    """15. Reported lag is about the lag seen by the receiver."""
    samples = history.samples
    if len(samples) < 4:
        return None
    written = {one.token: (one.began, one.ended) for one in history.writes}
    pending: dict[str, list[Times]] = defaultdict(list)
    for endpoint in history.endpoints:
        answers = first_answers(history, endpoint.name)
        latest = last_answers(history, endpoint.name)
        for change in wanted_by(endpoint, history):
            # Of what the product's own acts wrote, nobody noted when it was committed.
            began, ended = written.get(change.token, (change.at, math.inf))
            times = Times(began, ended)
            if first := answers.get(change.id):
                # A broken feed may have told it as a replay only.
                times.seen, times.known = first.ended, latest.get(change.id, first).ended
            pending[endpoint.name].append(times)
        for gap in gaps_of(endpoint.name, history).values():
            at = next((one.at for one in history.changes if one.id == gap.id), gap.began)
            pending[endpoint.name].append(Times(at, at, gap.began, gap.ended))
        pending[endpoint.name] += _asked_again(history, endpoint.name)
        pending[endpoint.name].sort(key=lambda times: times.written)
    wrong = []
    for sample in samples:
        ages = _oldest(pending[sample.endpoint], sample.began, sample.at)
        least, most = ages
        slack = LAG_SLACK_SECONDS + LAG_SLACK_SHARE * most
        if not least - slack <= sample.lag <= most + slack:
            wrong.append(
                f"{sample.endpoint} at {sample.at:.2f}: said {sample.lag:.1f} s, "
                f"seen {least:.1f} to {most:.1f} s"
            )
    # A single odd sample says more about the machine's scheduling than about the figure.
    if len(wrong) <= max(1, len(samples) // 50):
        return []
    words = f"{len(wrong)} of {len(samples)} reported lags are not what receivers saw"
    return [violation(words, *wrong)]


def _asked_again(history: History, endpoint: str) -> list["Times"]:
    """A replay is pending from when it was asked for until all of it was told again.

    How much of that an honest figure shows is left open, for what is still to come may be older.
    """
    found = []
    for replay in history.replays:
        if replay.endpoint == endpoint:
            ids = set(replay.ids)
            told: dict[str, float] = {}
            for one in sorted(history.deliveries, key=lambda one: one.ended):
                if one.endpoint == endpoint and tells_again(one, replay):
                    for id_ in ids.intersection(one.stands_for):
                        told.setdefault(id_, one.ended)
            known = max(told.values(), default=replay.ended) if len(told) == len(ids) else math.inf
            found.append(Times(replay.began, math.inf, known, known))
    return found


@dataclass(slots=True)
class Times:
    """When a change was written and committed, first seen, and last acknowledged.

    A change whose first answer was lost in a fault stays pending until the last.
    """

    written: float
    committed: float
    seen: float = math.inf
    known: float = math.inf


def _oldest(pending: list[Times], began: float, ended: float) -> tuple[float, float]:
    """Least and greatest age in seconds that an honest figure could give between two moments."""
    least = most = 0.0
    for times in pending:
        if times.written > ended:
            break
        if times.seen > ended and times.committed < began:
            least = max(least, began - times.committed)
        if times.known > began - RECORDED_WITHIN:
            most = max(most, ended - times.written)
    return least, most
