"""The demo's sample: real orders as the API takes them, with the verdict each must get."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.demo import sample_goods as goods
from config.demo.sample_clock import days_to_present, in_shop, shifted
from config.demo.sample_customers import SampleCustomer, customers
from config.demo.sample_documents import Writer, lane_of
from config.demo.sample_goods import Catalogue, SampleSku
from config.demo.sample_lists import Entries, reference_lists
from config.demo.sample_roles import ABNORMAL, GAP, GAP_CHANNEL, SEED, cast, short_orders

# The effect by which the starter rules ask for prepaid freight insurance.
FREIGHT_INSURANCE = "freight_insurance_request"
SHORT_WAREHOUSE = goods.WAREHOUSES[0][0]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the starter rules must make of an order.

    verdict is `held` or `clean`; reason is the rule's key, or `stock`, for a held order. lane is
    what routing assigns once nothing holds the order. effect is the run-once act that a clean
    order causes beyond the voucher for its amount.
    """

    verdict: str
    reason: str | None
    lane: str
    effect: str | None = None


@dataclass(frozen=True, slots=True)
class SampleOrder:
    document: dict[str, Any]
    expected: Expected


@dataclass(frozen=True, slots=True)
class PastReturn:
    """One returned line of a real cancellation; `unit_price` is what was given back a unit."""

    number: str
    customer: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    at: datetime


def load_orders(
    limit: int | None = None, seed: int = SEED, now: datetime | None = None
) -> Iterator[SampleOrder]:
    """The orders in the order in which they come, the last within a day before `now`.

    The same arguments give the same orders. `now` must be aware; the present when omitted.
    """
    chosen, invoices = cast(seed), goods.read_invoices()
    short = short_orders(invoices, chosen.short_skus)
    writer = Writer(seed, days_to_present(now))
    written = [(writer.document(invoice), invoice) for invoice in invoices]
    written.sort(key=lambda pair: (pair[0]["placed_at"], pair[1].number))
    for document, invoice in written[:limit]:
        role = chosen.role(invoice)
        yield SampleOrder(document, _expected(role.kind, document, invoice.number in short))


def load_catalogue(seed: int = SEED, now: datetime | None = None) -> Catalogue:
    """Channels, SKUs, prices and stock: enough of everything but what is to run short."""
    chosen = cast(seed)
    skus = goods.sample_skus(in_shop(now).date())
    prices = {(channel, sku.code): sku.list_price for channel in goods.CHANNELS for sku in skus}
    prices[GAP_CHANNEL, chosen.gap_sku] += GAP
    return Catalogue(
        channels=goods.CHANNELS,
        skus=skus,
        settlement_prices=prices,
        warehouses=goods.WAREHOUSES,
        couriers=goods.COURIERS,
        packagings=goods.PACKAGINGS,
        stock=_stock(skus, chosen.short_skus),
    )


def load_customers(seed: int = SEED, now: datetime | None = None) -> tuple[SampleCustomer, ...]:
    """Every buyer of the sample, in the order of their first order."""
    return tuple(customers(seed, days_to_present(now)).values())


def load_return_history(now: datetime | None = None) -> Iterator[PastReturn]:
    """Real returned lines of the same customers, before and during the sample, oldest first."""
    days = days_to_present(now)
    for row in goods.read_rows("returns_sample.csv.gz"):
        yield PastReturn(
            number=row["InvoiceNo"],
            customer=f"C-{row['CustomerID']}",
            sku=row["StockCode"],
            name=row["Description"],
            quantity=-int(row["Quantity"]),
            unit_price=Decimal(row["UnitPrice"]),
            at=shifted(datetime.fromisoformat(row["InvoiceDate"]), days),
        )


def load_lists(seed: int = SEED) -> dict[str, Entries]:
    """Entries (value, reason) of the reference lists by key, as the abnormal orders need them."""
    return reference_lists(cast(seed))


def _expected(kind: str, document: dict[str, Any], is_short: bool) -> Expected:
    lane = lane_of(document)
    if is_short:
        return Expected("held", "stock", lane)
    if kind in ABNORMAL:
        return Expected("held", kind, lane)
    return Expected("clean", None, lane, FREIGHT_INSURANCE if kind == "lens" else None)


def _stock(skus: Iterable[SampleSku], short: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Ten times the whole season's demand everywhere; what runs short lies in one place only."""
    demand = Counter({goods.LENS: 100, goods.MILK: 1_000})
    for invoice in goods.read_invoices():
        for line in invoice.lines:
            demand[line.sku] += line.quantity
    return {
        (sku.code, code): short.get(sku.code, 10 * demand[sku.code])
        for sku in skus
        for code, _name, _priority in goods.WAREHOUSES
        if sku.code not in short or code == SHORT_WAREHOUSE
    }
