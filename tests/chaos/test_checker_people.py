"""What people ask of the feed, judged: replays, changes given up on, pauses."""

from dataclasses import replace

import pytest

from tests.chaos import (
    checks_delivery,
    checks_people,
    checks_repeats,
)
from tests.chaos.checker import check
from tests.chaos.histories import (
    Delivery,
    Endpoint,
    Fault,
    Gap,
    History,
)
from tests.chaos.made import GOOD, TOLD, again, asked, change, delivery, history, write
from tests.chaos.table import Outcome

BOTH = asked("id1", "id2")


def test_a_replay_is_no_repeat_but_a_repeat_that_does_not_say_so_is():
    replayed = history(*TOLD, again(1, 4.0), again(2, 5.0), replays=[BOTH])
    mute = history(*TOLD, delivery(1, 4.0), delivery(2, 5.0), replays=[BOTH])

    assert {number: found for number, found in check(replayed).items() if found} == {}
    assert len(checks_repeats.no_needless_repeats(mute)) == 2
    assert len(checks_repeats.dispatchers_agree(mute) or ()) == 1


@pytest.mark.parametrize(
    ("deliveries", "words"),
    [
        ([again(1, 4.0), again(2, 5.0)], []),
        ([again(1, 4.0, status=500), again(1, 4.5), again(2, 5.0)], []),
        # What was on its way when it was asked for comes round with the rest.
        ([again(2, 4.0)], ["1 changes were not told again to a as a replay asked for"]),
        ([again(1, 4.0)], ["1 changes were not told again to a as a replay asked for"]),
        ([again(1, 4.0, status=500)], ["2 changes were not told again to a as a replay asked for"]),
    ],
)
def test_a_replay_that_was_asked_for_is_told(deliveries: list[Delivery], words: list[str]):
    early = [delivery(1, 0.2), delivery(2, 0.5)]
    told = history(*early, *deliveries, replays=[BOTH])

    assert [one.words for one in checks_delivery.everything_arrives(told)] == words


def test_nothing_is_first_told_as_a_replay():
    (found,) = checks_delivery.everything_arrives(history(delivery(1, 1.0), again(2, 2.0)))

    assert found.words == "1 changes reached a first as replays"


def test_a_replay_that_was_called_off_may_leave_a_gap():
    gap = (delivery(3, 3.0), again(1, 4.0), again(3, 5.0))
    asked_once = asked(subjects=("probe:P1",))
    called_off = replace(asked_once, is_called_off=True)
    for replay, words in ((asked_once, 1), (called_off, 0)):
        told = history(*TOLD, *gap, seqs=(1, 2, 3), replays=[replay])
        assert len(checks_delivery.in_order(told)) == words


@pytest.mark.parametrize(
    ("deliveries", "replays", "words"),
    [
        pytest.param([(1, 4.0), (2, 5.0), (3, 6.0)], 1, None, id="in order"),
        pytest.param([(2, 4.0), (3, 5.0)], 1, None, id="from the middle"),
        pytest.param([(1, 4.0), (2, 5.0), (1, 6.0), (2, 7.0), (3, 8.0)], 2, None, id="begun anew"),
        pytest.param(
            [(1, 4.0), (3, 5.0)], 1, "a was told probe:P1 v3 again out of order", id="a gap"
        ),
        pytest.param(
            [(3, 4.0), (2, 5.0), (1, 6.0)],
            1,
            "a was told probe:P1 again 3 times, asked for were 1",
            id="backwards",
        ),
        pytest.param(
            [(1, 4.0), (2, 5.0)],
            0,
            "a was told probe:P1 again 1 times, asked for were 0",
            id="not asked for",
        ),
    ],
)
def test_replays_keep_the_order(
    deliveries: list[tuple[int, float]], replays: int, words: str | None
):
    told = history(
        *TOLD,
        delivery(3, 3.0),
        *(again(seq, began) for seq, began in deliveries),
        seqs=(1, 2, 3),
        replays=[asked(subjects=("probe:P1",))] * replays,
    )

    found = checks_delivery.in_order(told)

    assert [one.words for one in found] == ([words] if words else [])


def test_an_endpoint_can_be_told_what_was_recorded_before_it_was_there():
    young = Endpoint("a", after_seq=1)
    told = history(delivery(2, 2.0), again(1, 4.0), again(2, 5.0), endpoints=[young])

    found = checks_delivery.in_order(replace(told, replays=[BOTH]))

    assert found == []


def test_a_replay_overlaps_with_nothing():
    both = history(*TOLD, delivery(3, 4.0, ended=4.5), again(1, 4.4), replays=[BOTH])

    (found,) = checks_delivery.one_at_a_time(both)

    assert found.words == "a had two requests about probe:P1 at once for 100 ms"


def test_a_replay_has_the_bytes_of_the_first_time():
    changed = history(*TOLD, again(1, 4.0, sha="other"), again(2, 5.0))
    # What was told as one is told again one by one.
    drawn = history(
        delivery(2, 1.0, covers=["id1", "id2"], sha="drawn"), again(1, 4.0), again(2, 5.0)
    )
    differing = replace(drawn, deliveries=[*drawn.deliveries, again(2, 6.0, sha="other")])

    assert [one.words for one in checks_repeats.no_needless_repeats(changed)] == [
        "a was sent id1 with different bodies"
    ]
    assert checks_repeats.no_needless_repeats(drawn) == []
    assert [one.words for one in checks_repeats.no_needless_repeats(differing)] == [
        "a was sent id2 with different bodies"
    ]


def skipped(*deliveries: Delivery, gaps: list[Gap] | None = None) -> History:
    """The second of three changes was given up on, and the gap recorded."""
    named = {"endpoint": "a", "seq": 2, "id": "id2", "reason": "broken"}
    gap = replace(change(4, kind="lane.skipped", version=2, token=""), value=named)
    return history(
        *deliveries,
        changes=[*(change(seq) for seq in (1, 2, 3)), gap],
        writes=[write(seq) for seq in (1, 2, 3)],
        gaps=[Gap("a", "probe:P1", "id2", 5.0, 5.1)] if gaps is None else gaps,
    )


REFUSED = [delivery(1, 1.0), delivery(2, 2.0, 422), delivery(2, 3.0, 422)]
REST = [delivery(3, 6.0), delivery(4, 7.0, version=2)]


def test_what_was_given_up_on_is_the_only_one_that_does_not_arrive():
    good = skipped(*REFUSED, *REST)

    assert {number: found for number, found in check(good).items() if found} == {}
    assert [one.words for one in checks_delivery.everything_arrives(skipped(*REFUSED))] == [
        "2 changes never reached a"
    ]


def test_a_gap_is_announced_and_stays():
    unnamed = replace(history(*REFUSED, REST[0], seqs=(1, 2, 3)), gaps=skipped().gaps)
    late = skipped(*REFUSED, *REST, delivery(2, 8.0))
    stray = skipped(delivery(1, 1.0), delivery(2, 2.0), *REST, gaps=[])

    def words(known: History) -> list[str]:
        return [one.words for one in checks_delivery.everything_arrives(known)]

    assert words(unnamed) == ["no lane.skipped of probe:P1 names what a misses"]
    assert words(late) == ["a was sent a change of probe:P1 that had been skipped"]
    assert words(stray) == ["1 changes were skipped that nobody gave up on"]


# -- 18: pauses ----------------------------------------------------------------------------------


def test_a_paused_endpoint_is_left_alone():
    pause = Fault("paused", 3.0, 9.0, "a")
    calm = history(*TOLD, delivery(3, 3.9), delivery(4, 9.1), seqs=(1, 2, 3, 4), faults=[pause])
    others = replace(calm, deliveries=[*calm.deliveries, delivery(5, 6.0, endpoint="b")])
    heedless = replace(calm, deliveries=[*calm.deliveries, delivery(5, 4.1), delivery(6, 4.5)])

    assert checks_people.paused_endpoints_are_left_alone(calm) == []
    assert checks_people.paused_endpoints_are_left_alone(others) == []
    assert [one.words for one in checks_people.paused_endpoints_are_left_alone(heedless) or ()] == [
        "a was sent 2 messages while it was paused, until 1.5 s after"
    ]
    assert checks_people.paused_endpoints_are_left_alone(GOOD) is None


def test_a_run_that_did_not_bring_about_what_it_is_for_is_not_good():
    def outcome(known: History) -> Outcome:
        return Outcome("pause", "", known, check(known), None)

    idle = outcome(replace(GOOD, missed=["nothing was pending"]))

    assert outcome(GOOD).is_good
    assert not idle.is_good
    assert idle.line().endswith("PROVES NOTHING")
    assert idle.complaint() == "  not brought about: nothing was pending"
