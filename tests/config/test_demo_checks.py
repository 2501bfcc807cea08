"""The demo's report: every figure that is off is named, and nothing else is."""

from collections import Counter
from decimal import Decimal
from io import StringIO

import pytest
from django.utils import translation
from rich.console import Console

from config.demo import checks, report
from config.demo.clients import Tally
from config.demo.figures import Figures, Receiver
from config.demo.play import Played
from config.demo.standins.warehouse import STAGES, stages_today
from config.demo.story import STOCK, Story, tell
from orders.status import OrderState

GOOD = Receiver("WMS", 10, 10, 0, 0, repeated=2, altered=0, disordered=0, forged=0, turned_away=3)


@pytest.fixture(scope="module")
def story() -> Story:
    return tell(400)


@pytest.fixture
def played(story: Story) -> Played:
    singles = Tally(Counter({201: len(story.singles)}), Counter({200: 4}), [0.01, 0.02])
    bulk = Tally(Counter({201: len(story.bulk)}))
    filled = sum(o.expected.reason == STOCK and story.is_restocked(o) for o in story.orders)
    return Played(story, singles, bulk, import_status=0, restocked=filled, seconds=60.0)


@pytest.fixture
def figures(story: Story) -> Figures:
    """What a faultless run would have left."""
    made = Figures(warehouse={"parcels": 0, "stages": Counter(), "refusals": []})
    for order in story.orders:
        document, number = order.document, order.document["number"]
        state = story.expected_state(order)
        made.states[number], made.lanes[number] = str(state), order.expected.lane
        if order.expected.reason:
            made.hold_reasons[number] = {order.expected.reason}
        reserved = state in (OrderState.READY, OrderState.DISPATCHED)
        if reserved or (state == OrderState.ON_HOLD and order.expected.reason != STOCK):
            made.units_reserved += sum(line["quantity"] for line in document["lines"])
        if not story.is_dispatched(order):
            continue
        made.effects["dispatch"] += 1
        made.effects["after_sales_voucher"] += Decimal(document["grand_total"]) >= 500
        made.effects["freight_insurance_request"] += order.expected.effect is not None
        made.parcels += len(document["deliveries"]) or 1
        if not document["deliveries"]:
            done = stages_today(f"{number}-1")
            made.parcel_stages[STAGES[done - 1] if done else "waiting"] += 1
    told = sum(made.parcel_stages.values())
    made.parcels_released = made.releases_received = made.warehouse["parcels"] = told
    made.warehouse["stages"] = Counter(made.parcel_stages)
    made.receivers = [GOOD]
    return made


def report_of(played: Played, figures: Figures) -> tuple[list[str], str]:
    console = Console(file=StringIO(), width=120)
    with translation.override("en"):
        parts = checks.sections(played, figures)
        wrong = report.show(console, parts, figures.receivers, figures.parked)
        report.conclude(console, wrong, 61.0)
    return wrong, console.file.getvalue()  # type: ignore[attr-defined]


def test_faultless_run_agrees_in_every_number(played: Played, figures: Figures) -> None:
    wrong, text = report_of(played, figures)
    assert wrong == []
    assert "Every number agrees." in text
    assert "✗" not in text


def test_order_in_another_state_is_named(played: Played, figures: Figures) -> None:
    number = next(n for n, state in figures.states.items() if state == "shipped")
    figures.states[number] = "on_hold"
    wrong, text = report_of(played, figures)
    assert len(wrong) == 2
    assert f"{number}: on_hold ≠ shipped" in wrong[0]
    assert "2 numbers do not agree:" in text


def test_hold_that_nobody_expected_is_named(played: Played, figures: Figures) -> None:
    number = next(n for n in figures.states if n not in figures.hold_reasons)
    figures.hold_reasons[number] = {"anti-fraud"}
    wrong, _text = report_of(played, figures)
    assert wrong == [
        f"Held, by reason: anti-fraud: expected 0, found 1 ({number}: anti-fraud ≠ —)",
        "Held, by reason: orders with another verdict than expected: expected 0, found 1",
    ]


def test_parcel_told_twice_is_no_agreement(played: Played, figures: Figures) -> None:
    told = figures.releases_received
    figures.releases_received += 1
    wrong, _text = report_of(played, figures)
    assert wrong == [
        "Dispatched exactly once: orders to pack that it received, each once: "
        f"expected {told}, found {told + 1}"
    ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lost", "lost 1"),
        ("unknown", "never committed 1"),
        ("disordered", "out of order 1"),
        ("altered", "altered 1"),
        ("forged", "forged 1"),
    ],
)
def test_receiver_that_differs_is_named(
    played: Played, figures: Figures, fault: str, words: str
) -> None:
    values = {name: getattr(GOOD, name) for name in GOOD.__slots__} | {fault: 1}
    figures.receivers = [Receiver(**values)]
    wrong, _text = report_of(played, figures)
    assert wrong == [f"WMS: {words}"]


def test_oversold_stock_and_parked_subjects_are_named(played: Played, figures: Figures) -> None:
    figures.oversold, figures.parked = 1, 2
    wrong, _text = report_of(played, figures)
    assert wrong == [
        "Stock: oversold stock rows: expected 0, found 1",
        "2 subjects are parked",
    ]


def test_slow_screening_breaks_the_promise(played: Played, figures: Figures) -> None:
    figures.screening_p99_ms = 501.0
    wrong, _text = report_of(played, figures)
    assert len(wrong) == 1
    assert "501.00 ms" in wrong[0]
