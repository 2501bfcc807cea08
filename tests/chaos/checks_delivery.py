"""Invariants about what was pushed: everything, nothing else, in order, one at a time; pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from tests.chaos.histories import Change, Delivery, Endpoint, Fault, Gap, History, Replay
from tests.chaos.violations import Violation, violation

# Faults after which what was being sent may come again, and for how long after their end: a
# request may wait in the kernel for a busy receiver, and a dispatcher whose database is gone
# finds that out only when it next asks.
DISRUPTIVE = {"kill": 0.3, "stop": 0.3, "cut": 2.0, "database down": 2.0}
# Between an answer and the moment at which the database knows of it, on a busy machine.
COMPLETION_GRACE = 2.0
# A writer may hold a lane for so long, and with it the record of an arrival.
LONGEST_UNRECORDED = 15.0
WAKING_SECONDS = 1.5
# Requests written on waking that a quick receiver may have answered before the sender gave up.
MOST_AWAKE = 3
# A receiver learns late that a sender who gave up has gone.
UNANSWERED_TOLERANCE = 0.5
# Says what was left out, with the version of that; the sequence still orders it.
SKIPPED = "lane.skipped"

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
    found += [*_replays_not_told(history), *_gaps_not_told(history)]
    if not history.quiet:
        found.append(violation("the feed did not come to rest in time"))
    return found


def _replays_not_told(history: History) -> Iterator[Violation]:
    """What a person asked to be told again is told again."""
    changes = {one.id: one for one in history.changes}
    for replay in history.replays:
        told = {
            id_
            for one in history.deliveries
            if one.endpoint == replay.endpoint and tells_again(one, replay)
            for id_ in one.stands_for
        }
        given_up = gaps_of(replay.endpoint, history)
        missing = [one for one in replay.ids if one not in told and one not in given_up]
        if missing:
            words = f"{len(missing)} changes were not told again to {replay.endpoint}"
            found = (changes.get(one, one) for one in missing)
            yield violation(f"{words} as a replay asked for", *found)


def _gaps_not_told(history: History) -> Iterator[Violation]:
    """What a person gave up on is named by a `lane.skipped`, and stays away from then on."""
    named = {
        (one.value["endpoint"], one.subject, one.value["id"])
        for one in history.changes
        if one.kind == SKIPPED and isinstance(one.value, dict)
    }
    for gap in history.gaps:
        if (gap.endpoint, gap.subject, gap.id) not in named:
            yield violation(f"no {SKIPPED} of {gap.subject} names what {gap.endpoint} misses", gap)
        late = [
            one
            for one in history.deliveries
            if one.endpoint == gap.endpoint and gap.id in one.stands_for and one.began > gap.ended
        ]
        if late:
            words = f"{gap.endpoint} was sent a change of {gap.subject} that had been skipped"
            yield violation(words, gap, *late)
    known = {(one.endpoint, one.subject, one.id) for one in history.gaps}
    if strays := sorted(named - known):
        yield violation(f"{len(strays)} changes were skipped that nobody gave up on", *strays)


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
        found += _replays_out_of_order(endpoint, history)
    return found


def _replays_out_of_order(endpoint: Endpoint, history: History) -> Iterator[Violation]:
    """A replayed message follows the 2xx of its predecessor, or begins what was asked for."""
    mine = [one for one in history.deliveries if one.endpoint == endpoint.name]
    if not any(one.is_replay for one in mine):
        return
    # What was recorded before an endpoint was there can be told to it all the same.
    wanted = by_subject(wanted_by(replace(endpoint, after_seq=0), history))
    before: dict[str, str] = {}
    for changes in wanted.values():
        before.update({after.id: one.id for one, after in pairwise(changes)})
    asked: Counter[str] = Counter()
    for replay in history.replays:
        if replay.endpoint == endpoint.name:
            asked.update(replay.subjects or list(wanted))
    for (_name, subject), deliveries in by_pair(mine).items():
        latest: Delivery | None = None
        restarts = 0
        for one in deliveries:
            if one.is_replay:
                previous = before.get(one.stands_for[0], "")
                follows = latest is not None and previous in latest.stands_for
                if not follows and (latest is None or one.seq <= latest.seq):
                    restarts += one.is_acknowledged
                elif not follows:
                    words = f"{endpoint.name} was told {subject} v{one.version} again out of order"
                    yield violation(words, one, latest)
            if one.is_acknowledged:
                latest = one
        if restarts > asked[subject]:
            words = f"{endpoint.name} was told {subject} again {restarts} times"
            yield violation(f"{words}, asked for were {asked[subject]}")


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
        # A replay tells one by one what was first told in one message.
        if any(one.covers for one in deliveries):
            bodies = {(one.is_replay, one.sha) for one in deliveries}
            differs = len(bodies) > len({is_replay for is_replay, _sha in bodies})
        else:
            differs = len({one.sha for one in deliveries}) > 1
        if differs:
            words = f"{endpoint} was sent {id_} with different bodies"
            found.append(violation(words, *deliveries))
    excessive = [one for one, is_allowed in duplicates(history) if not is_allowed]
    for one in excessive:
        words = f"{one.endpoint} was sent {one.subject} v{one.version} again after its 2xx"
        found.append(violation(words, *by_id[one.endpoint, one.id]))
    return found


def duplicates(history: History) -> list[tuple[Delivery, bool]]:
    """Every delivery that tells again what was acknowledged before, and whether it may.

    It may when the acknowledged one was in flight at a fault that can lose the knowledge of it;
    each fault excuses one request's worth per subject. Replays that a person asked for are no
    duplicates.
    """
    acknowledged: dict[Pair, Delivery] = {}
    found = []
    excuses = Excuses(history)
    for one in sorted(history.deliveries, key=lambda one: (one.began, one.item)):
        if one.is_replay:
            continue
        keys = [(one.endpoint, told) for told in one.stands_for]
        earlier = [acknowledged[key] for key in keys if key in acknowledged]
        if earlier:
            found.append((one, excuses.cover(one, earlier)))
        if one.is_acknowledged:
            acknowledged.update(dict.fromkeys(keys, one))
    return found


class Excuses:
    """What the faults of a history excuse, each only so often."""

    def __init__(self, history: History) -> None:
        self._faults = [one for one in history.faults if one.kind in DISRUPTIVE]
        self._sizes = {one.name: one.batch_size for one in history.endpoints}
        self._waking = {request for one in self._faults for request in wakings(history, one)}
        self._used: Counter[tuple[int, str, str]] = Counter()

    def cover(self, again: Delivery, earlier: list[Delivery]) -> bool:
        """Whether a fault that is not used up excuses telling once more what `earlier` told."""
        if again.request in self._waking:
            return True
        for place, fault in enumerate(self._faults):
            if not all(was_in_flight(one, fault) for one in earlier):
                continue
            key = place, again.endpoint, again.subject
            if self._used[key] < self._sizes.get(again.endpoint, 1):
                self._used[key] += 1
                return True
        return False


def was_in_flight(one: Delivery, fault: Fault) -> bool:
    """Whether the database may not have known of an answer when the fault came.

    With heads looked at after the answer, that is a fact; else it goes by time.
    """
    after = fault.began if fault.kind == "stop" else fault.ended
    if one.began > after + DISRUPTIVE[fault.kind]:
        return False
    if fault.heads is None or one.ended > after:
        return one.ended + COMPLETION_GRACE >= fault.began
    head = fault.heads.get(f"{one.endpoint} {one.subject}")
    return head is not None and one.seq >= head and one.ended + LONGEST_UNRECORDED >= fault.began


def wakings(history: History, fault: Fault) -> list[int]:
    """The requests that a stopped dispatcher may have written when it went on.

    Nothing can come between its last look at the lease and the first byte but being stopped. Such
    a request begins, for each of its subjects, with what was pending first at the stop.
    """
    if fault.kind != "stop" or not fault.heads:
        return []
    requests: dict[int, dict[str, Delivery]] = defaultdict(dict)
    for one in sorted(history.deliveries, key=lambda one: (one.began, one.item)):
        if 0 <= one.began - fault.ended <= WAKING_SECONDS:
            requests[one.request].setdefault(one.subject, one)
    if not requests:
        return []
    pending: dict[str, int] = {}
    for endpoint in history.endpoints:
        for change in wanted_by(endpoint, history):
            name = f"{endpoint.name} {change.subject}"
            if change.seq >= fault.heads.get(name, math.inf):
                pending.setdefault(name, change.seq)
    found = [
        request
        for request, begins in requests.items()
        if all(one.seq == pending.get(f"{one.endpoint} {one.subject}") for one in begins.values())
    ]
    # Their time is over when they are written, so that nobody waits for the answer. The receiver
    # may have been quicker a few times.
    unanswered = {one.request for one in history.deliveries if one.status is None}
    answered = [request for request in found if request not in unanswered]
    return [*unanswered.intersection(found), *answered[:MOST_AWAKE]]


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
    """The committed changes that an endpoint is to be told, in sequence.

    Not those that go back to who said so, nor those that a person gave up on.
    """
    given_up = gaps_of(endpoint.name, history)
    for change in sorted(history.changes, key=lambda change: change.seq):
        is_echo = endpoint.source and change.withheld_from == endpoint.source
        if endpoint.wants(change) and not is_echo and change.id not in given_up:
            yield change


def tells_again(one: Delivery, replay: Replay) -> bool:
    """Whether a delivery counts for a replay: what was on its way need not be told twice."""
    return one.is_acknowledged and one.ended + COMPLETION_GRACE >= replay.began


def gaps_of(endpoint: str, history: History) -> dict[str, Gap]:
    """What a person gave up on for an endpoint, by the change's id."""
    return {one.id: one for one in history.gaps if one.endpoint == endpoint}


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
    """The first delivery that tells each change, answered or not, by the change's id."""
    found: dict[str, Delivery] = {}
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.endpoint == endpoint:
            for told in one.stands_for:
                found.setdefault(told, one)
    return found


def first_answers(history: History, endpoint: str) -> dict[str, Delivery]:
    """The first acknowledged delivery that tells each change, by the change's id."""
    found: dict[str, Delivery] = {}
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.endpoint == endpoint and one.is_acknowledged:
            for told in one.stands_for:
                found.setdefault(told, one)
    return found


def last_answers(history: History, endpoint: str) -> dict[str, Delivery]:
    """The last acknowledged delivery that tells each change, by the change's id."""
    found: dict[str, Delivery] = {}
    for one in sorted(history.deliveries, key=lambda one: one.began):
        if one.endpoint == endpoint and one.is_acknowledged and not one.is_replay:
            found.update(dict.fromkeys(one.stands_for, one))
    return found
