"""Invariants about what was sent again, and what a fault excuses; pure."""

import math
from collections import Counter, defaultdict

from tests.chaos.histories import Delivery, Fault, History
from tests.chaos.reading import COMPLETION_GRACE, Pair, wanted_by
from tests.chaos.violations import Violation, violation

# Faults after which what was being sent may come again, and for how long after their end: a
# request may wait in the kernel for a busy receiver, and a dispatcher whose database is gone
# finds that out only when it next asks.
DISRUPTIVE = {"kill": 0.3, "stop": 0.3, "cut": 2.0, "database down": 2.0}
# A writer may hold a lane for so long, and with it the record of an arrival.
LONGEST_UNRECORDED = 15.0
WAKING_SECONDS = 1.5
# Requests written on waking that a quick receiver may have answered before the sender gave up.
MOST_AWAKE = 3


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
    pending: dict[str, str] = {}
    for endpoint in history.endpoints:
        for change in wanted_by(endpoint, history):
            name = f"{endpoint.name} {change.subject}"
            if change.seq >= fault.heads.get(name, math.inf):
                pending.setdefault(name, change.id)
    found = [
        request
        for request, begins in requests.items()
        if all(
            pending.get(f"{one.endpoint} {one.subject}") in one.stands_for
            for one in begins.values()
        )
    ]
    # Their time is over when they are written, so that nobody waits for the answer. The receiver
    # may have been quicker a few times.
    unanswered = {one.request for one in history.deliveries if one.status is None}
    answered = [request for request in found if request not in unanswered]
    return [*unanswered.intersection(found), *answered[:MOST_AWAKE]]


def dispatchers_agree(history: History) -> list[Violation] | None:
    """17. Two beats equal one: with several dispatchers and no fault, each message goes once."""
    if history.dispatchers < 2 or any(one.kind in DISRUPTIVE for one in history.faults):
        return None
    again = [one for one, _allowed in duplicates(history)]
    if not again:
        return []
    words = f"{len(again)} messages were sent twice by {history.dispatchers} dispatchers"
    return [violation(words, *again)]
