"""What the demo is going to do and what must come of it, worked out before anything starts."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from config.demo.sample import SampleOrder, load_catalogue, load_orders
from config.demo.standins.warehouse import stages_today
from orders.status import OrderState

STOCK = "stock"
SINGLES_PERCENT, BULK_PERCENT = 40, 40
# Of ten held orders with one reason, the supervisor releases five, cancels two, sends one back for
# a correction, and leaves two to the visitor.
RELEASED, CANCELLED, CORRECTED = range(5), range(5, 7), range(7, 8)
AFTER_STAGES = (
    OrderState.DISPATCHED,
    OrderState.DISPATCHED,
    OrderState.SHIPPED,
    OrderState.DELIVERED,
)


class Answer(StrEnum):
    """What the supervisor does with a held order."""

    RELEASE = "release"
    CANCEL = "cancel"
    CORRECTION = "correction"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Story:
    """The orders by the door they come through, and the supervisor's answers by order number."""

    singles: Sequence[SampleOrder]
    bulk: Sequence[SampleOrder]
    imported: Sequence[SampleOrder]
    answers: dict[str, Answer]
    restocked_sku: str

    @property
    def orders(self) -> list[SampleOrder]:
        return [*self.singles, *self.bulk, *self.imported]

    def expected_state(self, order: SampleOrder) -> OrderState:
        """Where the order must stand once everything is quiet."""
        number = order.document["number"]
        match self.answers.get(number):
            case Answer.CANCEL:
                return OrderState.CANCELLED
            case Answer.CORRECTION | Answer.LEAVE:
                return OrderState.ON_HOLD
        if order.expected.reason == STOCK and not self.is_restocked(order):
            return OrderState.ON_HOLD
        if order.document["presale"]:
            return OrderState.READY
        if order.document["deliveries"]:
            return OrderState.DISPATCHED
        return AFTER_STAGES[stages_today(f"{number}-1")]

    def is_restocked(self, order: SampleOrder) -> bool:
        return self.restocked_sku in skus_of(order)

    def is_dispatched(self, order: SampleOrder) -> bool:
        return self.expected_state(order) in AFTER_STAGES


def tell(count: int | None = None) -> Story:
    """The story of the first `count` orders of the sample; of all when omitted."""
    orders = list(load_orders(count))
    first = len(orders) * SINGLES_PERCENT // 100
    second = first + len(orders) * BULK_PERCENT // 100
    return Story(
        singles=orders[:first],
        bulk=orders[first:second],
        imported=orders[second:],
        answers=_answers(orders),
        restocked_sku=_most_missed(orders),
    )


def scarce_skus() -> frozenset[str]:
    """SKUs that lie in one warehouse only: whose turn it is decides who goes without."""
    places = Counter(sku for sku, _warehouse in load_catalogue().stock)
    return frozenset(sku for sku, count in places.items() if count == 1)


def skus_of(order: SampleOrder) -> set[str]:
    return {line["sku"] for line in order.document["lines"]}


def _answers(orders: Sequence[SampleOrder]) -> dict[str, Answer]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for order in orders:
        reason = order.expected.reason
        if reason and reason != STOCK:
            by_reason[reason].append(order.document["number"])
    return {
        number: _answer(place)
        for numbers in by_reason.values()
        for place, number in enumerate(numbers)
    }


def _answer(place: int) -> Answer:
    rest = place % 10
    if rest in RELEASED:
        return Answer.RELEASE
    if rest in CANCELLED:
        return Answer.CANCEL
    return Answer.CORRECTION if rest in CORRECTED else Answer.LEAVE


def _most_missed(orders: Sequence[SampleOrder]) -> str:
    """The scarce SKU that most orders wait for; goods of it arrive later."""
    scarce = scarce_skus()
    missed = Counter(
        sku for order in orders if order.expected.reason == STOCK for sku in skus_of(order) & scarce
    )
    return missed.most_common(1)[0][0] if missed else ""
