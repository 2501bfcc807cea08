"""Invariants about what people ask for: replays, pauses, and changes given up on; pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from tests.chaos.histories import Delivery, Endpoint, History
from tests.chaos.reading import by_pair, by_subject, gaps_of, tells_again, wanted_by
from tests.chaos.violations import Violation, violation

# Says what was left out, with the version of that; the sequence still orders it.
SKIPPED = "lane.skipped"
# Until a dispatcher has noticed a pause; it looks twenty times a second.
NOTICED_WITHIN = 1.0


def replays_not_told(history: History) -> Iterator[Violation]:
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


def gaps_not_told(history: History) -> Iterator[Violation]:
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


def replays_out_of_order(endpoint: Endpoint, history: History) -> Iterator[Violation]:
    """A replayed message follows the 2xx of its predecessor, or begins what was asked for.

    Where a replay was called off, one may be the last of what it would have told.
    """
    mine = [one for one in history.deliveries if one.endpoint == endpoint.name]
    if not any(one.is_replay for one in mine):
        return
    # What was recorded before an endpoint was there can be told to it all the same.
    wanted = by_subject(wanted_by(replace(endpoint, after_seq=0), history))
    before: dict[str, str] = {}
    for changes in wanted.values():
        before.update({after.id: one.id for one, after in pairwise(changes)})
    asked: Counter[str] = Counter()
    ended = [one for one in history.replays if one.endpoint == endpoint.name and one.is_called_off]
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
                elif not follows and not any(off.began < one.began for off in ended):
                    words = f"{endpoint.name} was told {subject} v{one.version} again out of order"
                    yield violation(words, one, latest)
            if one.is_acknowledged:
                latest = one
        if restarts > asked[subject]:
            words = f"{endpoint.name} was told {subject} again {restarts} times"
            yield violation(f"{words}, asked for were {asked[subject]}")


def paused_endpoints_are_left_alone(history: History) -> list[Violation] | None:
    """18. Nothing is sent to a paused endpoint from shortly after the pause until it is resumed."""
    pauses = list(history.faults_of("paused"))
    if not pauses:
        return None
    found = []
    for pause in pauses:
        sent = [
            one
            for one in history.deliveries
            if one.endpoint == pause.endpoint
            and pause.began + NOTICED_WITHIN < one.began < pause.ended
        ]
        if sent:
            latest = max(one.began for one in sent) - pause.began
            words = f"{pause.endpoint} was sent {len(sent)} messages while it was paused"
            found.append(violation(f"{words}, until {latest:.1f} s after", *sent))
    return found
