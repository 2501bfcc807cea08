"""Invariants about what was pushed: everything, nothing else, in order, one at a time; pure."""

from collections import defaultdict
from itertools import pairwise

from tests.chaos.checks_people import (
    SKIPPED,
    gaps_not_told,
    replays_not_told,
    replays_out_of_order,
)
from tests.chaos.checks_repeats import wakings
from tests.chaos.histories import Endpoint, History
from tests.chaos.reading import by_pair, by_subject, first_answers, first_sights, wanted_by
from tests.chaos.violations import Violation, violation

# A receiver learns late that a sender who gave up has gone.
UNANSWERED_TOLERANCE = 0.5


def everything_arrives(history: History) -> list[Violation]:
    """1. Every acknowledged change reaches every subscribed receiver after healing."""
    found = []
    tokens = {one.token for one in history.changes}
    lost = [one for one in history.writes if one.outcome == "committed" and one.token not in tokens]
    if lost:
        words = f"{len(lost)} committed transactions left no change in the log"
        found.append(violation(words, *lost))
    for endpoint in history.endpoints:
        arrived = first_answers(history, endpoint.name)
        wanted = list(wanted_by(endpoint, history))
        missing = [one for one in wanted if one.id not in arrived]
        if missing:
            words = f"{len(missing)} changes never reached {endpoint.name}"
            found.append(violation(words, *missing))
        again = [arrived[one.id] for one in wanted if one.id in arrived]
        again = [one for one in again if one.is_replay]
        if again:
            words = f"{len(again)} changes reached {endpoint.name} first as replays"
            found.append(violation(words, *again))
    found += [*replays_not_told(history), *gaps_not_told(history)]
    if not history.quiet:
        found.append(violation("the feed did not come to rest in time"))
    return found


def nothing_rolled_back(history: History) -> list[Violation]:
    """2. No rolled-back change is ever seen."""
    committed = {one.id for one in history.changes}
    undone = {one.token for one in history.writes if one.outcome == "rolled_back"}
    found = []
    unknown = [one for one in history.deliveries if one.id not in committed]
    if unknown:
        words = f"{len(unknown)} messages were sent for changes that were never committed"
        found.append(violation(words, *unknown))
    seen = [one for one in history.deliveries if one.token and one.token in undone]
    if seen:
        words = f"{len(seen)} messages come from transactions that were rolled back"
        found.append(violation(words, *seen))
    kept = [one for one in history.changes if one.token and one.token in undone]
    if kept:
        found.append(violation(f"{len(kept)} rolled-back changes are in the log", *kept))
    pulled = {one for page in history.pages for one in page.ids} - committed
    if pulled:
        words = f"{len(pulled)} changes were pulled that were never committed"
        found.append(violation(words, *sorted(pulled)))
    return found


def in_order(history: History) -> list[Violation]:
    """3. First deliveries in version order; none before its predecessor's first 2xx.

    Within one request the order of its items counts.
    """
    found = []
    together = {(one.request, told): one for one in history.deliveries for told in one.stands_for}
    for endpoint in history.endpoints:
        seen = first_sights(history, endpoint.name)
        acknowledged = first_answers(history, endpoint.name)
        for changes in by_subject(wanted_by(endpoint, history)).values():
            for before, after in pairwise(changes):
                if after.version < before.version and after.kind != SKIPPED:
                    words = f"{after.subject}: a later sequence has an earlier version"
                    found.append(violation(words, before, after))
                sight = seen.get(after.id)
                if sight is None:
                    continue
                beside = together.get((sight.request, before.id))
                answer = acknowledged.get(before.id)
                if beside is not None and beside.item <= sight.item:
                    continue
                if beside is None and answer is not None and answer.ended <= sight.began:
                    continue
                words = (
                    f"{endpoint.name} was sent {after.subject} v{after.version} (seq "
                    f"{after.seq}) before it had acknowledged v{before.version} (seq {before.seq})"
                )
                found.append(violation(words, sight, beside or answer or "never acknowledged"))
        found += replays_out_of_order(endpoint, history)
    return found


def one_at_a_time(history: History) -> list[Violation]:
    """4. No overlapping requests per (endpoint, subject)."""
    found = []
    waking = {request for one in history.faults_of("stop") for request in wakings(history, one)}
    for (endpoint, subject), deliveries in by_pair(history.deliveries).items():
        requests = list({one.request: one for one in deliveries}.values())
        for before, after in pairwise(requests):
            if before.request in waking or after.request in waking:
                continue
            slack = 0.0 if before.status is not None else UNANSWERED_TOLERANCE
            if after.began < before.ended - slack:
                overlap = min(before.ended, after.ended) - after.began
                words = (
                    f"{endpoint} had two requests about {subject} at once for "
                    f"{overlap * 1000:.0f} ms"
                )
                found.append(violation(words, before, after))
    return found


def same_at_rest(history: History) -> list[Violation]:
    """8. At rest, receiver state equals database state."""
    found = []
    for endpoint in history.endpoints:
        state = receiver_state(history, endpoint.name)
        differing = [
            f"{subject} {field}: receiver {state.get(subject, {}).get(field)!r}, database {value!r}"
            for subject, values in history.rows.items()
            if _is_told_all_of(endpoint, subject)
            for field, value in values.items()
            if state.get(subject, {}).get(field) != value
        ]
        if differing:
            words = f"{endpoint.name} believes {len(differing)} values that the database does not"
            found.append(violation(words, *differing))
    return found


def _is_told_all_of(endpoint: Endpoint, subject: str) -> bool:
    family = subject.partition(":")[0] + ".*"
    return not (endpoint.fields or endpoint.source) and (
        not endpoint.kinds or family in endpoint.kinds
    )


def receiver_state(history: History, endpoint: str) -> dict[str, dict[str, object]]:
    """What a receiver believes that applies each message at its first acknowledged sight."""
    state: dict[str, dict[str, object]] = defaultdict(dict)
    answers = {id(one): one for one in first_answers(history, endpoint).values()}.values()
    for one in sorted(answers, key=lambda one: (one.began, one.item)):
        state[one.subject][one.field] = one.value
    return state
