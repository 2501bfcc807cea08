"""Each invariant on hand-made histories: one that keeps it, and those that break it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import (
    checks_delivery,
    checks_keeping,
    checks_pull,
    checks_repeats,
)
from tests.chaos.checker import INVARIANTS, check
from tests.chaos.histories import (
    Change,
    Delivery,
    Endpoint,
    Fault,
    Gap,
    History,
    Inbound,
    Page,
    Purge,
    Replay,
    Sample,
    load,
    save,
)
from tests.chaos.made import GOOD, change, delivery, history, write


def test_a_good_history_breaks_nothing():
    assert {number: found for number, found in check(GOOD).items() if found} == {}


def test_a_history_survives_being_kept(tmp_path: Path):
    whole = history(
        delivery(1, 1.0),
        faults=[Fault("kill", 1.0, 1.0, heads={"a probe:P1": 1})],
        pages=[Page("erp", "", "c", "s", ["id1"], 1.0, 1.1)],
        purges=[Purge(3.0, ["id1"])],
        samples=[Sample("a", 1.0, 1.0, 1, 0, 0.5)],
        inbound=[Inbound("crm", "x", "order:1", 1.0, 1.1, 200)],
        replays=[Replay("a", 4.0, 4.1, ["probe:P1"], ["id1"])],
        gaps=[Gap("a", "probe:P1", "id2", 5.0, 5.1)],
        missed=["nothing was pending"],
    )

    save(whole, tmp_path / "history.jsonl")

    assert load(tmp_path / "history.jsonl") == whole


def test_what_compares_times_is_left_out_where_the_machine_is_busy():
    left_out = {one.number for one in INVARIANTS if one.needs_calm}

    verdicts = check(GOOD, calm=False)

    assert left_out == {6, 7, 14, 15, 18}
    assert all(verdicts[number] is None for number in left_out)


# -- 1: all arrives ------------------------------------------------------------------------------


def test_a_change_that_only_failed_to_arrive_is_lost():
    found = checks_delivery.everything_arrives(history(delivery(1, 1.0), delivery(2, 2.0, 500)))

    assert [one.words for one in found] == ["1 changes never reached a"]


def test_a_committed_transaction_must_be_in_the_log():
    lost = history(delivery(1, 1.0), delivery(2, 2.0), writes=[write(1), write(2), write(3)])

    (found,) = checks_delivery.everything_arrives(lost)

    assert found.words == "1 committed transactions left no change in the log"


def test_filters_and_the_beginning_of_a_subscription_count():
    endpoint = Endpoint("a", kinds=["probe.*"], after_seq=1)
    changes = [change(1), change(2), change(3, kind="order.created")]

    told = history(delivery(2, 1.0), endpoints=[endpoint], changes=changes, writes=[])

    assert checks_delivery.everything_arrives(told) == []
    assert checks_delivery.everything_arrives(replace(told, deliveries=[])) != []


def test_a_coalesced_message_tells_all_that_it_covers():
    told = history(delivery(2, 1.0, covers=["id1", "id2"]))

    assert checks_delivery.everything_arrives(told) == []
    assert checks_delivery.in_order(told) == []


def test_a_feed_that_does_not_come_to_rest_has_not_delivered():
    assert checks_delivery.everything_arrives(replace(GOOD, quiet=False)) != []


# -- 2: nothing rolled back ----------------------------------------------------------------------


def test_a_message_without_a_committed_change_is_seen():
    found = checks_delivery.nothing_rolled_back(history(delivery(9, 1.0)))

    assert "never committed" in found[0].words


def test_a_rolled_back_token_is_seen_whatever_its_id():
    writes = [write(1), write(2, outcome="rolled_back")]
    found = checks_delivery.nothing_rolled_back(history(delivery(2, 1.0), writes=writes))

    assert {one.words for one in found} == {
        "1 messages come from transactions that were rolled back",
        "1 rolled-back changes are in the log",
    }


def test_an_unknown_outcome_may_be_either():
    writes = [write(1), write(2, outcome="unknown"), write(3, outcome="unknown")]
    unsure = history(delivery(1, 1.0), delivery(2, 2.0), writes=writes)

    assert checks_delivery.nothing_rolled_back(unsure) == []
    assert checks_delivery.everything_arrives(unsure) == []


# -- 3: order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deliveries", "is_good"),
    [
        pytest.param([delivery(1, 1.0), delivery(2, 1.1)], True, id="after the answer"),
        pytest.param([delivery(1, 1.0), delivery(2, 1.05)], False, id="before the answer"),
        pytest.param([delivery(2, 1.0), delivery(1, 2.0)], False, id="newest first"),
        pytest.param([delivery(1, 1.0, 500), delivery(2, 2.0)], False, id="after a failure"),
        pytest.param(
            [delivery(1, 1.0), delivery(2, 2.0), delivery(1, 3.0)], True, id="an old repeat"
        ),
        pytest.param(
            [delivery(1, 1.0, request=1), delivery(2, 1.0, request=1, item=1)], True, id="batch"
        ),
        pytest.param(
            [delivery(2, 1.0, request=1), delivery(1, 1.0, request=1, item=1)],
            False,
            id="batch backwards",
        ),
        pytest.param(
            [
                delivery(1, 1.0, None),
                delivery(1, 2.0, None, request=2),
                delivery(2, 2.0, None, request=2, item=1),
                delivery(1, 3.0),
                delivery(2, 4.0),
            ],
            True,
            id="joined in a failed batch",
        ),
    ],
)
def test_order(deliveries: list[Delivery], is_good: bool):
    assert (checks_delivery.in_order(history(*deliveries)) == []) is is_good


# -- 4: overlap ----------------------------------------------------------------------------------


def test_two_requests_about_one_subject_at_once():
    both = [delivery(1, 1.0, ended=1.5), delivery(2, 1.4)]

    (found,) = checks_delivery.one_at_a_time(history(*both))

    assert found.words == "a had two requests about probe:P1 at once for 100 ms"


def test_requests_about_different_subjects_or_endpoints_may_overlap():
    apart = [
        delivery(1, 1.0),
        delivery(2, 1.01, subject="probe:P2"),
        delivery(1, 1.02, endpoint="b"),
        delivery(2, 1.0, request=1000, item=1),
    ]

    assert checks_delivery.one_at_a_time(history(*apart)) == []


def test_the_end_of_an_unanswered_request_is_not_known_exactly():
    cut = [delivery(1, 1.0, None, ended=2.0), delivery(1, 1.8)]
    hung = [delivery(1, 1.0, None, ended=3.0), delivery(1, 1.8)]

    assert checks_delivery.one_at_a_time(history(*cut)) == []
    assert checks_delivery.one_at_a_time(history(*hung)) != []


# -- 5 and 17: repeats ---------------------------------------------------------------------------

TWICE = [delivery(1, 1.0), delivery(1, 9.0), delivery(2, 10.0)]


def test_a_repeat_without_a_fault():
    calm = history(*TWICE)

    assert len(checks_repeats.no_needless_repeats(calm)) == 1
    assert len(checks_repeats.dispatchers_agree(calm) or ()) == 1
    assert checks_repeats.no_needless_repeats(GOOD) == []
    assert checks_repeats.dispatchers_agree(GOOD) == []


def test_a_retry_after_a_failure_is_no_repeat():
    retried = history(delivery(1, 1.0, 500), delivery(1, 2.0, None), delivery(1, 3.0))

    assert checks_repeats.no_needless_repeats(retried) == []


@pytest.mark.parametrize(
    ("fault", "is_excused"),
    [
        (Fault("kill", 1.05, 1.05), True),
        # While the answer is on its way, heads looked at cannot know of it.
        (Fault("kill", 1.05, 1.05, heads={}), True),
        (Fault("kill", 1.2, 1.2, heads={"a probe:P1": 1}), True),
        (Fault("kill", 1.2, 1.2, heads={"a probe:P1": 2}), False),
        (Fault("kill", 1.2, 1.2, heads={}), False),
        (Fault("kill", 5.0, 5.0), False),
        (Fault("kill", 0.5, 0.5), False),
        (Fault("database down", 0.2, 0.5), True),
        (Fault("receiver", 1.05, 1.05, endpoint="a"), False),
    ],
)
def test_a_repeat_of_what_was_in_flight_at_a_fault(fault: Fault, is_excused: bool):
    found = checks_repeats.no_needless_repeats(history(*TWICE, faults=[fault]))

    assert (found == []) is is_excused


def test_one_fault_excuses_one_repeat_of_a_subject():
    again = [delivery(1, 1.0), delivery(2, 1.1), delivery(1, 9.0), delivery(2, 9.2)]
    kill = Fault("kill", 1.25, 1.25, heads={"a probe:P1": 1})

    one_by_one = history(*again, faults=[kill])
    batched = history(*again, faults=[kill], endpoints=[Endpoint("a", batch_size=10)])

    assert len(checks_repeats.no_needless_repeats(one_by_one)) == 1
    assert checks_repeats.no_needless_repeats(batched) == []


def test_a_stopped_dispatcher_may_finish_the_request_that_it_had_begun():
    stop = Fault("stop", 0.5, 9.0, heads={"a probe:P1": 1})
    late = [delivery(1, 7.0), delivery(1, 9.1), delivery(2, 10.0)]
    later = [delivery(1, 7.0), delivery(2, 7.2), delivery(2, 9.1)]

    assert checks_repeats.no_needless_repeats(history(*late, faults=[stop])) == []
    assert len(checks_repeats.no_needless_repeats(history(*later, faults=[stop]))) == 1


def test_a_repeat_keeps_its_id_and_body():
    other_body = history(delivery(1, 1.0, 500), delivery(1, 2.0, sha="other"))
    other_id = history(delivery(1, 1.0, 500), delivery(1, 2.0, id="other"))

    (body,) = checks_repeats.no_needless_repeats(other_body)
    (named,) = checks_repeats.no_needless_repeats(other_id)

    assert body.words == "a was sent id1 with different bodies"
    assert named.words == "a was sent seq 1 under 2 ids"


def test_a_stopped_dispatcher_may_write_few_requests_when_it_goes_on():
    """Whole batches, each with what was pending first; the head may lie before that."""
    stop = Fault("stop", 0.5, 9.0, heads={"a probe:P1": 1, "a probe:P2": 4})
    changes = [change(seq) for seq in (2, 3)] + [change(seq, "probe:P2") for seq in (5, 6)]
    first = [
        delivery(2, 7.0, request=1),
        delivery(3, 7.0, request=1, item=1),
        delivery(5, 7.0, request=1, item=2, subject="probe:P2"),
        delivery(6, 7.2, request=2, subject="probe:P2"),
    ]

    def found(*items: tuple[int, str]):
        late = [
            delivery(seq, 9.1, request=3, item=item, subject=subject)
            for item, (seq, subject) in enumerate(items)
        ]
        return checks_repeats.no_needless_repeats(
            history(*first, *late, changes=changes, writes=[], faults=[stop])
        )

    assert found((2, "probe:P1"), (3, "probe:P1"), (5, "probe:P2")) == []
    assert len(found((2, "probe:P1"), (6, "probe:P2"))) == 2
    assert len(found((3, "probe:P1"))) == 1


def test_what_is_written_on_waking_may_be_several_changes_in_one():
    """Begun with what was pending first, and named after the newest of them."""
    stop = Fault("stop", 0.5, 9.0, heads={"a probe:P1": 1})
    first = [delivery(1, 7.0, covers=["id1"]), delivery(3, 7.2, covers=["id2", "id3"])]

    def found(*covers: str):
        late = delivery(2, 9.1, None, covers=list(covers))
        told = history(*first, late, seqs=(1, 2, 3), faults=[stop])
        return checks_repeats.no_needless_repeats(told)

    assert found("id1", "id2") == []
    assert len(found("id2")) == 1


def test_of_requests_written_on_waking_few_are_answered():
    stop = Fault("stop", 0.5, 9.0, heads={f"a probe:P{seq}": seq for seq in range(1, 7)})
    subjects = {seq: f"probe:P{seq}" for seq in range(1, 7)}
    changes = [change(seq, subject) for seq, subject in subjects.items()]
    first = [delivery(seq, 7.0, subject=subject, request=seq) for seq, subject in subjects.items()]

    def found(status: int | None):
        late = [
            delivery(seq, 9.1, status, subject=subject, request=10 + seq)
            for seq, subject in subjects.items()
        ]
        return checks_repeats.no_needless_repeats(
            history(*first, *late, changes=changes, writes=[], faults=[stop])
        )

    assert found(None) == []
    assert len(found(204)) == 3


def test_one_dispatcher_or_a_killed_one_says_nothing_about_two():
    assert checks_repeats.dispatchers_agree(replace(GOOD, dispatchers=1)) is None
    assert checks_repeats.dispatchers_agree(history(faults=[Fault("kill", 1, 1)])) is None


# -- 8: at rest ----------------------------------------------------------------------------------


def test_a_receiver_that_missed_the_last_value_differs():
    stale = history(delivery(1, 1.0), rows={"probe:P1": {"value": 2}})

    (found,) = checks_delivery.same_at_rest(stale)

    assert found.evidence == ("probe:P1 value: receiver 1, database 2",)
    assert checks_delivery.same_at_rest(GOOD) == []


# -- 9: pulling ----------------------------------------------------------------------------------


def page(cursor: str, *seqs: int, at: float = 1.0, sha: str = "") -> Page:
    ids = [f"id{seq}" for seq in seqs]
    return Page("erp", cursor, cursor + "+", sha or ",".join(ids), ids, at, at + 0.1)


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ([page("", 1), page("+", 2, at=2.0), page("++", at=3.0)], None),
        ([page("", 1), page("", 1, at=1.5), page("+", 2, at=2.0)], None),
        ([page("", at=0.5), page("", 1, 2)], None),
        ([page("", 2), page("+", at=2.0)], "1 changes were on no page of erp"),
        ([page("", 1), page("+", 1, 2, at=2.0)], "1 changes were on several pages of erp"),
        ([page("", 2), page("+", 1, at=2.0)], "erp pulled probe:P1 v1 after a later one"),
        ([page("", 1, 2), page("", 1, 2, sha="x")], "erp got 2 different pages for one cursor"),
    ],
)
def test_pages(pages: list[Page], words: str | None):
    found = checks_pull.pages_are_the_committed_set(history(pages=pages)) or []

    assert [one.words for one in found] == ([words] if words else [])


def test_without_a_consumer_nothing_is_said_about_pages():
    assert checks_pull.pages_are_the_committed_set(GOOD) is None


# -- 10 and 11: other systems --------------------------------------------------------------------

CRM, WMS = Endpoint("crm", source="crm"), Endpoint("wms", source="wms")


def edited(*deliveries: Delivery, withheld: str = "crm") -> History:
    edit = change(1, source="crm", source_event_id="e1", withheld_from=withheld)
    return history(*deliveries, endpoints=[CRM, WMS], changes=[edit], writes=[])


def test_an_edit_goes_to_the_others_and_not_back():
    to_wms, to_crm = delivery(1, 1.0, endpoint="wms"), delivery(1, 1.0, endpoint="crm")

    assert checks_pull.no_echo(edited(to_wms)) == []
    assert len(checks_pull.no_echo(edited(to_wms, to_crm)) or ()) == 1
    assert len(checks_pull.no_echo(edited()) or ()) == 1
    assert checks_pull.no_echo(edited(to_wms, to_crm, withheld="")) == []
    assert checks_pull.no_echo(GOOD) is None


def test_an_inbound_id_makes_one_change():
    calls = [Inbound("crm", "e1", "order:1", at, at + 0.1, 200) for at in (1.0, 2.0, 3.0)]
    once = change(1, source="crm", source_event_id="e1")

    def found(*changes: Change):
        return checks_pull.each_id_once(history(changes=list(changes), inbound=calls))

    assert found(once) == []
    assert len(found(once, replace(once, seq=2)) or ()) == 1
    assert len(found() or ()) == 1
    assert checks_pull.each_id_once(GOOD) is None


# -- 12, 13, 16: secrets, retention, lanes -------------------------------------------------------


def test_every_message_verifies():
    forged = history(delivery(1, 1.0), delivery(2, 2.0, verified=False))

    assert checks_keeping.signatures_verify(GOOD) == []
    assert len(checks_keeping.signatures_verify(forged) or ()) == 1


def test_what_is_pending_may_not_be_purged():
    late = history(delivery(1, 1.0), delivery(2, 5.0), purges=[Purge(3.0, ["id1", "id2"])])
    in_time = replace(late, purges=[Purge(3.0, ["id1"]), Purge(6.0, ["id2"])])
    unpulled = replace(in_time, pages=[page("", 1, 2, at=5.0)])

    assert [one.words for one in checks_keeping.nothing_pending_is_purged(late) or ()] == [
        "1 changes were purged before a had them"
    ]
    assert checks_keeping.nothing_pending_is_purged(in_time) == []
    assert [one.words for one in checks_keeping.nothing_pending_is_purged(unpulled) or ()] == [
        "1 changes were purged before erp had pulled them"
    ]
    assert checks_keeping.nothing_pending_is_purged(GOOD) is None


def test_lanes_go_and_their_table_stays_small():
    def found(lanes: int, size: int):
        return checks_keeping.lanes_are_bounded(replace(GOOD, lanes_at_rest=lanes, lane_bytes=size))

    assert found(0, 100_000) == []
    assert len(found(3, 100_000) or ()) == 1
    assert len(found(0, 500_000_000) or ()) == 1
    assert checks_keeping.lanes_are_bounded(GOOD) is None
