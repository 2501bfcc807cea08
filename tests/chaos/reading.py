"""Ways to look at a history: who was to be told what, and what was told first or last; pure."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.histories import Change, Delivery, Endpoint, Gap, History, Replay

# Between an answer and the moment at which the database knows of it, on a busy machine.
COMPLETION_GRACE = 2.0

Pair = tuple[str, str]


def wanted_by(endpoint: Endpoint, history: History) -> Iterator[Change]:
    """The committed changes that an endpoint is to be told, in sequence.

    Not those that go back to who said so, nor those that a person gave up on.
    """
    given_up = gaps_of(endpoint.name, history)
    for change in sorted(history.changes, key=lambda change: change.seq):
        is_echo = endpoint.source and change.withheld_from == endpoint.source
        if endpoint.wants(change) and not is_echo and change.id not in given_up:
            yield change


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


def tells_again(one: Delivery, replay: Replay) -> bool:
    """Whether a delivery counts for a replay: what was on its way need not be told twice."""
    return one.is_acknowledged and one.ended + COMPLETION_GRACE >= replay.began
