"""The demo's plan: who comes by which door, what the supervisor answers, what must come of it."""

from collections import Counter

import pytest

from config.demo.standins.warehouse import stages_today
from config.demo.story import STOCK, Answer, Story, scarce_skus, skus_of, tell
from orders.status import OrderState


@pytest.fixture(scope="module")
def story() -> Story:
    return tell()


def test_at_least_two_thousand_orders_come_over_http(story: Story) -> None:
    assert len(story.singles) + len(story.bulk) >= 2_000
    assert len(story.imported) >= 400
    numbers = [order.document["number"] for order in story.orders]
    assert len(set(numbers)) == len(numbers)


def test_same_story_is_told_twice(story: Story) -> None:
    again = tell()
    assert again.answers == story.answers
    assert [one.document["number"] for one in again.orders] == [
        one.document["number"] for one in story.orders
    ]


def test_supervisor_answers_every_hold_of_a_rule_and_no_other(story: Story) -> None:
    held = {o.document["number"] for o in story.orders if o.expected.reason not in (None, STOCK)}
    assert story.answers.keys() == held


def test_every_reason_sees_every_answer(story: Story) -> None:
    seen: dict[str, Counter[Answer]] = {}
    for order in story.orders:
        if order.expected.reason not in (None, STOCK):
            answers = seen.setdefault(order.expected.reason, Counter())
            answers[story.answers[order.document["number"]]] += 1
    for reason, answers in seen.items():
        assert set(answers) == set(Answer), reason
        assert answers[Answer.RELEASE] > answers[Answer.CANCEL] >= answers[Answer.CORRECTION]


def test_goods_arrive_for_some_short_orders_only(story: Story) -> None:
    short = [order for order in story.orders if order.expected.reason == STOCK]
    filled = [order for order in short if story.is_restocked(order)]
    assert 0 < len(filled) < len(short)
    assert story.restocked_sku in scarce_skus()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer.CANCEL, OrderState.CANCELLED),
        (Answer.CORRECTION, OrderState.ON_HOLD),
        (Answer.LEAVE, OrderState.ON_HOLD),
    ],
)
def test_answer_decides_where_a_held_order_ends(
    story: Story, answer: Answer, state: OrderState
) -> None:
    numbers = {number for number, given in story.answers.items() if given is answer}
    ends = {story.expected_state(o) for o in story.orders if o.document["number"] in numbers}
    assert ends == {state}


def test_order_is_expected_where_its_only_parcel_gets_to_today(story: Story) -> None:
    for order in story.orders:
        number, document = order.document["number"], order.document
        goes = order.expected.reason is None or story.answers.get(number) is Answer.RELEASE
        if goes and not document["presale"] and not document["deliveries"]:
            expected = {0: "dispatched", 1: "dispatched", 2: "shipped", 3: "delivered"}
            assert story.expected_state(order) == expected[stages_today(f"{number}-1")]


def test_presale_waits_and_a_subscription_is_only_planned(story: Story) -> None:
    for order in story.orders:
        if order.document["presale"]:
            assert story.expected_state(order) == OrderState.READY
        elif order.document["deliveries"]:
            assert story.expected_state(order) == OrderState.DISPATCHED


def test_short_story_keeps_its_shares() -> None:
    story = tell(100)
    assert (len(story.singles), len(story.bulk), len(story.imported)) == (40, 40, 20)
    assert story.restocked_sku == "" or any(
        story.restocked_sku in skus_of(order) for order in story.orders
    )
