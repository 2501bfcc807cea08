"""What the database refuses whoever writes, and acts racing on real connections."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, connection, connections, transaction

from changefeed.models import Change
from orders.errors import AlreadyDone
from orders.models import OrderLine, ReturnRecord
from returns.errors import InvalidReturn
from returns.lifecycle import approve_return, refuse_return, requesting
from returns.models import ReturnLine, ReturnRequest
from tests.factories import make_world
from tests.returns.factories import SHOP, agent_actor, make_delivered, make_return

TRIGGER = "returns.ReturnLine:never_more_than_bought"


def refused_by(name: str, act: Callable[[], Any]) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        act()
    cause: Any = caught.value.__cause__
    assert cause.diag.constraint_name == name


@pytest.mark.usefixtures("world")
def test_no_path_returns_more_than_was_bought():
    order = make_delivered(lines=[("TEA-1", 2, "10.00")])
    request = make_return(order, (1, 2))
    other = ReturnRequest.objects.create(
        number="RT-X", order=order, customer=order.customer, kind="exchange", reason="x"
    )
    line = OrderLine.objects.get(order=order)
    refused_by(
        "never_return_more_than_bought",
        lambda: ReturnLine.objects.create(request=other, order_line=line, quantity=1),
    )
    refused_by(
        "never_return_more_than_bought",
        lambda: ReturnLine.objects.filter(request=request).update(quantity=3),
    )
    refuse_return(request.number, actor=SHOP, reason="worn")
    ReturnLine.objects.create(request=other, order_line=line, quantity=2)


@pytest.mark.usefixtures("world")
def test_a_line_of_another_order_is_refused():
    request, stranger = make_return(), make_delivered()
    refused_by(
        "return_line_of_its_order",
        lambda: ReturnLine.objects.create(
            request=request, order_line=stranger.lines.get(), quantity=1
        ),
    )


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(("good", "bad"), [(2, 0), (1, 1), (0, 2), (None, 1), (1, None)])
def test_an_inspection_never_finds_more_than_was_announced(good, bad):
    make_return()
    refused_by(
        "no_more_inspected_than_returned",
        lambda: ReturnLine.objects.update(good_units=good, bad_units=bad),
    )


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"kind": "gift"}, "return_kind_known"),
        ({"refund_amount": -1}, "refund_not_negative"),
    ],
)
def test_impossible_requests_are_refused(fields, constraint):
    make_return()
    refused_by(constraint, lambda: ReturnRequest.objects.update(**fields))


@pytest.mark.usefixtures("world")
def test_impossible_states_are_refused_also_as_raw_sql():
    make_return()

    def execute(assignments: str) -> Callable[[], Any]:
        def act() -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE returns_returnrequest SET {assignments}")

        return act

    refused_by(
        "return_state_known", execute("state = 'lost', decided_by = 'x', decided_at = now()")
    )
    refused_by("decided_return_names_who", execute("state = 'approved'"))
    decided = "decided_by = 'x', decided_at = now()"
    refused_by("refused_return_says_why", execute(f"state = 'refused', {decided}"))
    refused_by("received_return_says_where", execute(f"state = 'received', {decided}"))
    execute("state = 'withdrawn'")()
    refused_by("final_return_stays_final", execute("state = 'requested'"))


@pytest.mark.usefixtures("world")
def test_raw_sql_reaches_the_feed_with_a_new_version():
    request = make_return()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE returns_returnrequest SET state = 'approved', decided_by = 'dba',"
            " decided_at = now(), refund_amount = 1"
        )
    changes = Change.objects.filter(subject_kind="return").order_by("seq")
    assert [(change.kind, change.subject_version) for change in changes] == [
        ("return.requested", 1),
        ("return.refund_amount_changed", 2),
        ("return.approved", 2),
    ]
    assert changes[1].old == "99.00"
    assert changes[0].subject_id == request.number


def in_parallel(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What each of `count` threads returned or raised; all start together."""
    answers: list[Any] = [None] * count
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        try:
            gate.wait()
            answers[index] = act(index)
        except Exception as error:
            answers[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def _world_on_disk(transactional_db: None) -> None:
    from django.core.management import call_command

    make_world()
    call_command("rules", "starter")


def race_for_one_unit(monkeypatch: Any, count: int, *, lock: bool, trigger: bool) -> list[Any]:
    """`count` requests for the one delivered unit, with or without each line of defence."""
    order = make_delivered("R-1")
    if not lock:
        meeting = threading.Barrier(count, timeout=60)
        genuine = requesting.returnable_lines

        def slow(*args: Any) -> Any:
            answer = genuine(*args)
            meeting.wait()
            return answer

        monkeypatch.setattr(requesting, "locked_order_by_number", lambda _number: order)
        monkeypatch.setattr(requesting, "returnable_lines", slow)

    def ask(index: int) -> Any:
        with ExitStack() as stack:
            if not trigger:
                stack.enter_context(pgtrigger.ignore(TRIGGER))
            return make_return(order, reason=f"reason {index}")

    return in_parallel(count, ask)


@pytest.mark.usefixtures("_world_on_disk")
def test_of_a_hundred_parallel_requests_for_one_unit_one_succeeds():
    order = make_delivered("R-1")
    connection_free = threading.Semaphore(50)

    def ask(index: int) -> Any:
        with connection_free:
            try:
                return make_return(order, reason=f"reason {index}")
            finally:
                connections.close_all()

    made = in_parallel(100, ask)

    won = [answer for answer in made if isinstance(answer, ReturnRequest)]
    lost = [answer for answer in made if isinstance(answer, InvalidReturn)]
    assert (len(won), len(lost)) == (1, 99)
    assert {error.errors[0].code for error in lost} == {"nothing_left"}
    assert ReturnLine.objects.count() == 1
    assert Change.objects.filter(kind="return.requested").count() == 1


@pytest.mark.usefixtures("_world_on_disk")
@pytest.mark.parametrize(
    ("lock", "trigger", "winners"),
    [(True, True, 1), (True, False, 1), (False, True, 1), (False, False, 5)],
)
def test_each_line_of_defence_holds_alone_and_without_both_the_unit_comes_back_often(
    monkeypatch, lock, trigger, winners
):
    answers = race_for_one_unit(monkeypatch, 5, lock=lock, trigger=trigger)

    assert sum(isinstance(answer, ReturnRequest) for answer in answers) == winners
    assert ReturnLine.objects.count() == winners


@pytest.mark.usefixtures("_world_on_disk")
def test_the_same_request_sent_twenty_times_at_once_is_one_request():
    order, other = make_delivered("R-1"), make_delivered("R-2")

    answers = in_parallel(
        20,
        lambda index: make_return(order if index % 2 else other, actor=SHOP, request_id="same"),
    )

    numbers = {answer.number for answer in answers if isinstance(answer, ReturnRequest)}
    assert len(numbers) == 1
    assert sum(isinstance(answer, ReturnRequest) for answer in answers) == 10
    assert {type(answer).__name__ for answer in answers} == {"ReturnRequest", "DifferentBody"}


@pytest.mark.usefixtures("_world_on_disk")
def test_two_people_deciding_at_once_one_wins_and_the_other_is_told():
    for _turn in range(5):
        request = make_return()
        people = [agent_actor(), agent_actor("supervisor")]

        def decide(index: int, number: str = request.number, people: Any = people) -> Any:
            act = (approve_return, refuse_return)[index]
            return act(number, actor=people[index], reason="because")

        answers = in_parallel(2, decide)

        winner = next(i for i, answer in enumerate(answers) if isinstance(answer, ReturnRequest))
        loser = answers[1 - winner]
        assert isinstance(loser, AlreadyDone)
        assert people[winner].name.removeprefix("user:") in loser.message
        stored = ReturnRequest.objects.get(pk=request.pk)
        assert stored.state == ("approved", "refused")[winner]
        assert ReturnRecord.objects.filter(reference=stored.number).exists() == (winner == 0)


@pytest.mark.usefixtures("world")
def test_deciding_takes_a_bounded_number_of_queries(django_assert_max_num_queries):
    request, actor = make_return(), agent_actor()
    with django_assert_max_num_queries(18):
        approve_return(request.number, actor=actor)
