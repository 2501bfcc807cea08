"""Every figure of the demo beside the number it must have."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.demo.figures import Figures
from config.demo.play import Played
from config.demo.sample import FREIGHT_INSURANCE, SampleOrder
from config.demo.story import STOCK, Story
from orders.status import OrderState

VOUCHER, VOUCHER_FROM = "after_sales_voucher", Decimal(500)
SCREENING_PROMISE_MS = 500
LANES = {
    "standard": gettext_noop("standard"),
    "presale": gettext_noop("presale"),
    "cold_chain": gettext_noop("cold chain"),
    "urgent": gettext_noop("urgent"),
    "gift": gettext_noop("gift"),
    "livestream": gettext_noop("livestream"),
    "fragile": gettext_noop("fragile"),
}
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `expected` None means that the figure is only told."""

    title: str
    found: Any
    expected: Any = None
    detail: str = ""

    @property
    def agrees(self) -> bool:
        return self.expected is None or self.found == self.expected


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    checks: list[Check]


def sections(played: Played, figures: Figures) -> list[Section]:
    """The whole report, part by part."""
    story = played.story
    return [
        Section(_("Orders in"), list(_intake(played, figures))),
        Section(_("Orders by state"), list(_states(story, figures))),
        Section(_("Held, by reason"), list(_holds(played, figures))),
        Section(_("Routed, by lane"), list(_lanes(story, figures))),
        Section(_("Dispatched exactly once"), list(_dispatch(story, figures))),
        Section(_("Stock"), list(_stock(story, figures))),
        Section(_("Speed"), list(_speed(played, figures))),
    ]


def _intake(played: Played, figures: Figures) -> Iterator[Check]:
    story, singles = played.story, played.singles
    surprises = "; ".join([*singles.surprises, *played.bulk.surprises][:MOST_NAMED])
    yield Check(_("orders stored"), len(figures.states), len(story.orders))
    yield Check(_("posted one by one"), singles.statuses[201], len(story.singles), surprises)
    yield Check(_("posted in bulk"), played.bulk.statuses[201], len(story.bulk))
    yield Check(_("exit status of the file import"), played.import_status, 0)
    repeats = sum(singles.repeats.values())
    yield Check(_("repeated posts known as repeats"), singles.repeats[200], repeats)


def _states(story: Story, figures: Figures) -> Iterator[Check]:
    expected = {o.document["number"]: str(story.expected_state(o)) for o in story.orders}
    wanted, found = Counter(expected.values()), Counter(figures.states.values())
    for state in OrderState:
        if wanted[state] or found[state]:
            odd = _differing(expected, figures.states, state)
            yield Check(str(state.label), found[state], wanted[state], odd)


def _holds(played: Played, figures: Figures) -> Iterator[Check]:
    story = played.story
    wanted = Counter(o.expected.reason for o in story.orders if o.expected.reason)
    found = Counter(reason for reasons in figures.hold_reasons.values() for reason in reasons)
    expected = {o.document["number"]: o.expected.reason or "" for o in story.orders}
    got = {number: "+".join(sorted(reasons)) for number, reasons in figures.hold_reasons.items()}
    for reason in sorted(wanted | found):
        title = _("stock is short") if reason == STOCK else reason
        yield Check(title, found[reason], wanted[reason], _differing(expected, got, reason))
    wrong = sum(got.get(number, "") != reason for number, reason in expected.items())
    yield Check(_("orders with another verdict than expected"), wrong, 0)
    refused = "; ".join(played.refused[:MOST_NAMED])
    yield Check(_("decisions of the supervisor that were refused"), len(played.refused), 0, refused)
    restocked = sum(map(story.is_restocked, _short(story.orders)))
    yield Check(_("short orders filled by new goods"), played.restocked, restocked)


def _lanes(story: Story, figures: Figures) -> Iterator[Check]:
    waits = (OrderState.ON_HOLD, OrderState.CANCELLED)
    expected = {
        order.document["number"]: order.expected.lane
        for order in story.orders
        if story.expected_state(order) not in waits
    }
    got = {number: figures.lanes.get(number, "") for number in expected}
    wanted, found = Counter(expected.values()), Counter(got.values())
    for lane in sorted(wanted | found, key=lambda lane: -wanted[lane]):
        title = _(LANES.get(lane, lane)) if lane else _("no lane")
        yield Check(title, found[lane], wanted[lane], _differing(expected, got, lane))


def _dispatch(story: Story, figures: Figures) -> Iterator[Check]:
    gone = [order for order in story.orders if story.is_dispatched(order)]
    vouchers = sum(Decimal(o.document["grand_total"]) >= VOUCHER_FROM for o in gone)
    insured = sum(o.expected.effect == FREIGHT_INSURANCE for o in gone)
    parcels = sum(len(o.document["deliveries"]) or 1 for o in gone)
    told = figures.parcels_released
    floor = figures.warehouse
    yield Check(_("dispatches in the run-once ledger"), figures.effects["dispatch"], len(gone))
    yield Check(_("parcels planned"), figures.parcels, parcels)
    yield Check(_("parcels the warehouse was told to pack"), floor["parcels"], told)
    yield Check(_("orders to pack that it received, each once"), figures.releases_received, told)
    yield Check(
        _("parcels whose state both sides agree on"),
        sum((Counter(floor["stages"]) & figures.parcel_stages).values()),
        told,
    )
    yield Check(
        _("calls of the warehouse that were refused"),
        len(floor["refusals"]),
        0,
        "; ".join(floor["refusals"][:MOST_NAMED]),
    )
    yield Check(_("shipped parcels without a waybill"), figures.waybills_missing, 0)
    yield Check(_("waybills used twice"), figures.waybills_repeated, 0)
    yield Check(_("after-sales vouchers, from 500 yuan"), figures.effects[VOUCHER], vouchers)
    yield Check(_("freight insurance requests"), figures.effects[FREIGHT_INSURANCE], insured)


def _stock(story: Story, figures: Figures) -> Iterator[Check]:
    yield Check(_("oversold stock rows"), figures.oversold, 0)
    yield Check(_("stock rows that differ from their ledger"), figures.ledger_differs, 0)
    reserved = sum(_units(o) for o in story.orders if _keeps_reservation(story, o))
    yield Check(_("units still reserved"), figures.units_reserved, reserved)


def _speed(played: Played, figures: Figures) -> Iterator[Check]:
    singles = played.singles
    yield Check(_("seconds from first order to quiet"), f"{played.seconds:.1f}")
    yield Check(
        _("one order over HTTP: median / 99th percentile"),
        f"{singles.percentile_ms(0.5):.0f} / {singles.percentile_ms(0.99):.0f} ms",
    )
    yield Check(
        _("screening within %(promise)d ms: 99th percentile") % {"promise": SCREENING_PROMISE_MS},
        figures.screening_p99_ms <= SCREENING_PROMISE_MS,
        True,
        f"{figures.screening_p99_ms:.2f} ms",
    )


def _short(orders: Iterable[SampleOrder]) -> Iterator[SampleOrder]:
    return (order for order in orders if order.expected.reason == STOCK)


def _units(order: SampleOrder) -> int:
    return sum(line["quantity"] for line in order.document["lines"])


def _keeps_reservation(story: Story, order: SampleOrder) -> bool:
    """Reserved until shipped or cancelled; a short order has nothing reserved."""
    state = story.expected_state(order)
    if state == OrderState.ON_HOLD:
        return order.expected.reason != STOCK
    return state in (OrderState.READY, OrderState.DISPATCHED)


def _differing(expected: dict[str, str], found: dict[str, str], value: str) -> str:
    """The first orders that should have the value and have another, or the other way round."""
    odd = [
        f"{number}: {found.get(number, '') or '—'} ≠ {expected.get(number, '') or '—'}"
        for number in sorted(expected.keys() | found.keys())
        if value in (expected.get(number, ""), found.get(number, ""))
        and expected.get(number, "") != found.get(number, "")
    ]
    return "; ".join(odd[:MOST_NAMED])
