"""Which invoice of the sample plays which part: ordinary, special, or abnormal for one cause."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from config.demo.sample_goods import (
    PRESALE_DAYS,
    SHORT_STOCK_SHARE,
    Invoice,
    is_cold,
    list_prices,
    read_invoices,
)
from config.demo.sample_people import draw

SEED = 20261111

# Rule keys of the starter rules, and how many orders each of them must hold.
ABNORMAL = {
    "xinjiang-coupon": 24,
    "blocklist-phone": 20,
    "blocklist-customer": 16,
    "blocklist-address": 20,
    "embargo-region": 20,
    "regional-limit": 20,
    "employee-purchase": 20,
    "too-many-coupons": 22,
    "price-gap": 18,
}
# What is not ordinary and yet not wrong.
SPECIAL = {
    "lens": 16,
    "employee": 12,
    "milk": 40,
    "subscription": 70,
    "urgent": 75,
    "gift": 40,
    "child": 40,
}
SHORT_SKUS = 3
# RABBIT NIGHT LIGHT, the season's best seller: not sold into some provinces.
LIMITED_SKU = "23084"
# Units an order may hold there, and units an employee may buy at once.
REGIONAL_LIMIT, EMPLOYEE_LIMIT = 2, 5
LIVESTREAM_PERCENT = 43
FESTIVAL = timedelta(days=7)

# The one SKU whose settlement price on one channel is off, and by how much.
GAP_CHANNEL, GAP = "jd", Decimal("9.00")


@dataclass(frozen=True, slots=True)
class Role:
    """The part an invoice plays; `main` is the order that a gift or a child order names."""

    kind: str
    main: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """The roles by invoice number, and the goods made scarce for them."""

    roles: Mapping[str, Role]
    short_skus: Mapping[str, int]
    gap_sku: str
    festival: tuple[date, date]

    @property
    def scarce_buyers(self) -> frozenset[str]:
        """Customers who at some time buy what runs short."""
        return frozenset(i.customer for i in read_invoices() if i.skus & self.short_skus.keys())

    def role(self, invoice: Invoice) -> Role:
        return self.roles.get(invoice.number, Role("ordinary"))


@cache
def cast(seed: int = SEED) -> Cast:
    """The same parts for the same seed."""
    return _Casting(seed).result()


class _Casting:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.invoices = read_invoices()
        self.roles: dict[str, Role] = {}
        self.mains: set[str] = set()
        self.orders_of = Counter(invoice.customer for invoice in self.invoices)
        self.demand: dict[str, list[Invoice]] = defaultdict(list)
        for invoice in self.invoices:
            for sku in invoice.skus:
                self.demand[sku].append(invoice)

    def result(self) -> Cast:
        short = self._short_skus()
        reserved = {invoice.number for sku in short for invoice in self.demand[sku]}
        self.roles |= {number: Role("scarce") for number in reserved}
        for invoice in self.invoices:
            if invoice.skus & PRESALE_DAYS.keys():
                self.roles.setdefault(invoice.number, Role("presale"))
        gap_sku = self._cast_price_gap()
        self._cast_pairs("gift")
        self._cast_pairs("child")
        for kind, count in (ABNORMAL | SPECIAL).items():
            if kind in ("price-gap", "gift", "child"):
                continue
            self._cast(kind, self._candidates(kind), count)
        start, end = self._festival()
        during = (i for i in self.invoices if start <= i.at.date() < end)
        free = [invoice for invoice in during if self._is_free(invoice)]
        live = len([i for i in self.invoices if start <= i.at.date() < end])
        self._cast("livestream", free, round(live * LIVESTREAM_PERCENT / 100))
        return Cast(self.roles, short, gap_sku, (start, end))

    def _is_free(self, invoice: Invoice) -> bool:
        return invoice.number not in self.roles and invoice.number not in self.mains

    def _shuffled(self, invoices: Iterable[Invoice], key: str) -> list[Invoice]:
        return sorted(invoices, key=lambda i: draw(2**60, self.seed, key, i.number))

    def _cast(self, kind: str, candidates: Iterable[Invoice], count: int) -> None:
        chosen = self._shuffled(filter(self._is_free, candidates), kind)[:count]
        if len(chosen) < count:
            raise ValueError(f"only {len(chosen)} invoices can be {kind}")
        self.roles |= {invoice.number: Role(kind) for invoice in chosen}

    def _candidates(self, kind: str) -> Iterable[Invoice]:
        fits: dict[str, Callable[[Invoice], bool]] = {
            "xinjiang-coupon": lambda i: i.goods_total >= 299,
            "regional-limit": lambda i: LIMITED_SKU in i.skus and units(i) > REGIONAL_LIMIT,
            "too-many-coupons": lambda i: i.goods_total >= 60,
            # What follows from who buys must hold for all the buyer's orders: one order only.
            "blocklist-customer": self._bought_once,
            "employee-purchase": lambda i: self._bought_once(i) and units(i) > EMPLOYEE_LIMIT,
            "employee": lambda i: self._bought_once(i) and units(i) <= EMPLOYEE_LIMIT,
            "lens": self._bought_once,
            "subscription": lambda i: all(line.quantity >= 4 for line in i.lines),
        }
        return filter(fits.get(kind, lambda i: True), self.invoices)

    def _bought_once(self, invoice: Invoice) -> bool:
        return self.orders_of[invoice.customer] == 1

    def _cast_pairs(self, kind: str) -> None:
        """Orders that follow another of the same customer on the same day belong to it."""
        pairs = []
        last: dict[str, Invoice] = {}
        for invoice in self.invoices:
            main = last.get(invoice.customer)
            if main and main.at.date() == invoice.at.date() and main.at < invoice.at:
                pairs.append((main, invoice))
            last[invoice.customer] = invoice
        order = {i.number: n for n, i in enumerate(self._shuffled(self.invoices, kind))}
        count = 0
        for main, invoice in sorted(pairs, key=lambda pair: order[pair[1].number]):
            if count < SPECIAL[kind] and self._is_free(main) and self._is_free(invoice):
                self.roles[invoice.number] = Role(kind, main.number)
                self.mains.add(main.number)
                count += 1
        if count < SPECIAL[kind]:
            raise ValueError(f"only {count} pairs for {kind}")

    def _cast_price_gap(self) -> str:
        """The dearest SKU with enough buyers: its buyers here come through one channel."""
        count = ABNORMAL["price-gap"]
        free = {sku: [*filter(self._is_free, found)] for sku, found in self.demand.items()}
        enough = [sku for sku, found in free.items() if len(found) >= count]
        sku = max(enough, key=lambda sku: (list_prices()[sku], sku))
        self._cast("price-gap", free[sku], count)
        return sku

    def _short_skus(self) -> dict[str, int]:
        """SKUs that nobody buys together, with the units that serve the first buyers exactly."""
        chosen: dict[str, int] = {}
        taken: set[str] = set()
        suited = [sku for sku, found in self.demand.items() if 36 <= len(found) <= 44]
        for sku in sorted(suited, key=lambda sku: draw(2**60, self.seed, "short", sku)):
            buyers = self.demand[sku]
            numbers = {invoice.number for invoice in buyers}
            special = any(is_cold(s) or s in PRESALE_DAYS for i in buyers for s in i.skus)
            if special or numbers & taken or len(chosen) == SHORT_SKUS:
                continue
            served = buyers[: int(len(buyers) * SHORT_STOCK_SHARE)]
            chosen[sku] = sum(units_of(invoice, sku) for invoice in served)
            taken |= numbers
        return chosen

    def _festival(self) -> tuple[date, date]:
        """The seven days in a row with the most orders, end excluded."""
        by_day = Counter(invoice.at.date() for invoice in self.invoices)
        start = max(by_day, key=lambda day: (_within(by_day, day), day))
        return start, start + FESTIVAL


def _within(by_day: Mapping[date, int], start: date) -> int:
    return sum(by_day.get(start + timedelta(days=n), 0) for n in range(FESTIVAL.days))


def units(invoice: Invoice) -> int:
    return sum(line.quantity for line in invoice.lines)


def units_of(invoice: Invoice, sku: str) -> int:
    return sum(line.quantity for line in invoice.lines if line.sku == sku)


def short_orders(invoices: Sequence[Invoice], stock: Mapping[str, int]) -> frozenset[str]:
    """Numbers of the invoices that find too little left, when they come in this order."""
    left, short = dict(stock), set()
    for invoice in invoices:
        for sku in invoice.skus & left.keys():
            units = units_of(invoice, sku)
            if units > left[sku]:
                short.add(invoice.number)
            else:
                left[sku] -= units
    return frozenset(short)
