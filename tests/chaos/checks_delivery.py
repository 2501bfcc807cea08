"""Invariants about what was pushed: everything, nothing else, in order, one at a time; pure."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.histories import Change, Delivery, Endpoint, Fault, History
from tests.chaos.violations import Violation, violation

# Faults after which what was being sent may come again, and for how long after their end: a
# dispatcher whose database is gone finds that out only when it next asks.
DISRUPTIVE = {"kill": 0.0, "stop": 0.0, "cut": 2.0, "database down": 2.0}
# Between an answer and the moment at which the database knows of it, on a busy machine.
COMPLETION_GRACE = 2.0
# A receiver learns late that a sender who gave up has gone.
UNANSWERED_TOLERANCE = 0.5

Pair = tuple[str, str]


def everything_arrives(history: History) -> list[Violation]:
    """1. Every acknowledged change reaches every subscribed receiver after healing."""
    found = []
    tokens = {one.token for one in history.changes}
    lost = [one for one in history.writes if one.outcome == "committed" and one.token not in tokens]
    if lost:
        words = f"{len(lost)} committed transactions left no change in the log"
        found.append(violation(words, *lost))
    for endpoint in history.endpoints:
        arrived = {
            one.id
            for one in history.deliveries
            if one.endpoint == endpoint.name and one.is_acknowledged
        }
        missing = [one for one in wanted_by(endpoint, history) if one.id not in arrived]
        if missing:
            words = f"{len(missing)} changes never reached {endpoint.name}"
            found.append(violation(words, *missing))
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
    """3. First deliveries in version order; none before its predecessor's first 2xx."""
    found = []
    for endpoint in history.endpoints:
        seen = first_sights(history, endpoint.name)
        acknowledged = first_answers(history, endpoint.name)
        for changes in by_subject(wanted_by(endpoint, history)).values():
            for before, after in pairwise(changes):
                if after.version < before.version:
                    words = f"{after.subject}: a later sequence has an earlier version"
                    found.append(violation(words, before, after))
                if after.id in seen and not _follows(
                    seen[after.id], seen.get(before.id), acknowledged.get(before.id)
                ):
                    words = (
                        f"{endpoint.name} was sent {after.subject} v{after.version} (seq "
                        f"{after.seq}) before it had acknowledged v{before.version} (seq "
                        f"{before.seq})"
                    )
                    shown = [seen[after.id], acknowledged.get(before.id) or "never acknowledged"]
                    found.append(violation(words, *shown))
    return found


def _follows(after: Delivery, first: Delivery | None, answered: Delivery | None) -> bool:
    if first is not None and first.request == after.request:
        return first.item < after.item
    return answered is not None and answered.ended <= after.began


def one_at_a_time(history: History) -> list[Violation]:
    """4. No overlapping requests per (endpoint, subject)."""
    found = []
    for (endpoint, subject), deliveries in by_pair(history.deliveries).items():
        requests = list({one.request: one for one in deliveries}.values())
        for before, after in pairwise(requests):
            slack = 0.0 if before.status is not None else UNANSWERED_TOLERANCE
            if after.began < before.ended - slack:
                overlap = min(before.ended, after.ended) - after.began
                words = (
                    f"{endpoint} had two requests about {subject} at once for "
                    f"{overlap * 1000:.0f} ms"
                )
                found.append(violation(words, before, after))
    return found


def no_needless_repeats(history: History) -> list[Violation]:
    """5. No repeats without faults; after a fault at most what was in flight, unchanged."""
    found = []
    by_id: dict[Pair, list[Delivery]] = defaultdict(list)
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for one in sorted(history.deliveries, key=lambda one: one.began):
        by_id[one.endpoint, one.id].append(one)
        ids[one.endpoint, one.seq].add(one.id)
    for (endpoint, seq), several in ids.items():
        if len(several) > 1:
            words = f"{endpoint} was sent seq {seq} under {len(several)} ids"
            found.append(violation(words, *sorted(several)))
    for (endpoint, id_), deliveries in by_id.items():
        if len({one.sha for one in deliveries}) > 1:
            words = f"{endpoint} was sent {id_} with different bodies"
            found.append(violation(words, *deliveries))
    excessive = [one for one, is_allowed in duplicates(history) if not is_allowed]
    for one in excessive:
        words = f"{one.endpoint} was sent {one.subject} v{one.version} again after its 2xx"
        found.append(violation(words, *by_id[one.endpoint, one.id]))
    return found


def duplicates(history: History) -> list[tuple[Delivery, bool]]:
    """Every delivery after the first acknowledged one of its message, and whether it may be.

    It may when the first was in flight at a fault that can lose the knowledge of it. Replays
    that a person asked for are no duplicates.
    """
    acknowledged: dict[Pair, Delivery] = {}
    found = []
    faults = [one for one in history.faults if one.kind in DISRUPTIVE]
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.is_replay:
            continue
        first = acknowledged.get((one.endpoint, one.id))
        if first is not None:
            found.append((one, any(_was_in_flight(first, fault) for fault in faults)))
        elif one.is_acknowledged:
            acknowledged[one.endpoint, one.id] = one
    return found


def _was_in_flight(first: Delivery, fault: Fault) -> bool:
    after = fault.ended if fault.kind != "stop" else fault.began
    if not (
        first.began <= after + DISRUPTIVE[fault.kind]
        and first.ended + COMPLETION_GRACE >= fault.began
    ):
        return False
    if fault.heads is None:
        return True
    head = fault.heads.get(f"{first.endpoint} {first.subject}")
    return head is not None and first.seq >= head


def same_at_rest(history: History) -> list[Violation]:
    """8. At rest, receiver state equals database state."""
    found = []
    for endpoint in history.endpoints:
        if endpoint.kinds or endpoint.fields:
            continue
        state = receiver_state(history, endpoint.name)
        differing = [
            f"{subject} {field}: receiver {state.get(subject, {}).get(field)!r}, database {value!r}"
            for subject, values in history.rows.items()
            for field, value in values.items()
            if state.get(subject, {}).get(field) != value
        ]
        if differing:
            words = f"{endpoint.name} believes {len(differing)} values that the database does not"
            found.append(violation(words, *differing))
    return found


def receiver_state(history: History, endpoint: str) -> dict[str, dict[str, object]]:
    """What a receiver believes that applies each message at its first acknowledged sight."""
    state: dict[str, dict[str, object]] = defaultdict(dict)
    answers = first_answers(history, endpoint).values()
    for one in sorted(answers, key=lambda one: (one.began, one.item)):
        state[one.subject][one.field] = one.value
    return state


def dispatchers_agree(history: History) -> list[Violation] | None:
    """17. Two beats equal one: with several dispatchers and no fault, each message goes once."""
    if history.dispatchers < 2 or any(one.kind in DISRUPTIVE for one in history.faults):
        return None
    again = [one for one, _allowed in duplicates(history)]
    if not again:
        return []
    words = f"{len(again)} messages were sent twice by {history.dispatchers} dispatchers"
    return [violation(words, *again)]


# -- reading a history ---------------------------------------------------------------------------


def wanted_by(endpoint: Endpoint, history: History) -> Iterator[Change]:
    """The committed changes that an endpoint subscribes to, in sequence."""
    for change in sorted(history.changes, key=lambda change: change.seq):
        if endpoint.wants(change) and not (
            endpoint.source and change.withheld_from == endpoint.source
        ):
            yield change


def by_subject(changes: Iterator[Change]) -> dict[str, list[Change]]:
    """Changes grouped by their subject, each group in sequence."""
    groups: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.subject].append(change)
    return groups


def by_pair(deliveries: list[Delivery]) -> dict[Pair, list[Delivery]]:
    """Deliveries grouped by endpoint and subject, each group in order of beginning."""
    groups: dict[Pair, list[Delivery]] = defaultdict(list)
    for one in sorted(deliveries, key=lambda one: (one.began, one.item)):
        groups[one.endpoint, one.subject].append(one)
    return groups


def first_sights(history: History, endpoint: str) -> dict[str, Delivery]:
    """The first delivery of each message, answered or not, by id."""
    found: dict[str, Delivery] = {}
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.endpoint == endpoint:
            found.setdefault(one.id, one)
    return found


def first_answers(history: History, endpoint: str) -> dict[str, Delivery]:
    """The first acknowledged delivery of each message, by id."""
    found: dict[str, Delivery] = {}
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.endpoint == endpoint and one.is_acknowledged:
            found.setdefault(one.id, one)
    return found
