"""What the demo's brand sells: SKUs, prices, stock and what routing may assign."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

DATA = Path(__file__).with_name("data")

CHANNELS = {
    "douyin": "抖音小店",
    "tmall": "天猫旗舰店",
    "jd": "京东自营",
    "app": "品牌 App",
    "subscription": "周期购",
}
# Code, name and the order in which they are tried when no rule names one.
WAREHOUSES = (("EAST-1", "华东一仓", 1), ("SOUTH-1", "华南一仓", 2), ("COLD-1", "冷链仓", 3))
COURIERS = {"SF": "顺丰速运", "SF-COLD": "顺丰冷运", "ZTO": "中通快递", "JD": "京东物流"}
PACKAGINGS = {
    "carton": "标准纸箱",
    "insulated-box": "保温箱",
    "fragile-box": "防震箱",
    "live-box": "直播专用箱",
    "gift-box": "礼品盒",
}

LENS, MILK = "LENS-85", "MILK-900"
LENS_PRICE, MILK_PRICE = Decimal("2999.00"), Decimal("268.00")
HIGH_PRICE = Decimal("100.00")

# The real shop sells nothing cold: these stand in for chilled and frozen goods.
CHILLED = {"22960": "JAM MAKING SET WITH JARS", "22961": "JAM MAKING SET PRINTED"}
FROZEN_WORDS = ("ICE CREAM",)
FRAGILE_WORDS = frozenset(
    [
        "GLASS",
        "GLASSES",
        "CERAMIC",
        "MUG",
        "MUGS",
        "PLATE",
        "PLATES",
        "PORCELAIN",
        "CHINA",
        "TEACUP",
        "TEACUPS",
        "SAUCER",
        "SAUCERS",
        "TEAPOT",
        "VASE",
        "MIRROR",
    ]
)
CATEGORIES = {
    "christmas": ("CHRISTMAS", "ADVENT", "REINDEER", "SNOWMAN", "SANTA"),
    "bags": ("BAG", "BAGS", "PURSE"),
    "kitchen": ("CAKE", "LUNCH", "TEA", "MUG", "PLATE", "TINS", "BAKING", "BOWL", "JAR", "APRON"),
    "lighting": ("LIGHT", "LIGHTS", "CANDLE", "CANDLES", "LANTERN", "HOLDER"),
    "stationery": ("CARD", "CARDS", "PAPER", "WRAP", "PENCILS", "NOTEBOOK", "CHALKBOARD"),
    "toys": ("DOLLY", "PLAYHOUSE", "BLOCKS", "GAME", "TOY", "PUZZLE", "SPACEBOY"),
    "garden": ("GARDEN", "BIRD", "PARASOL", "PLANT", "HERB"),
}
# Sold before they exist: each ships this many days from now.
PRESALE_DAYS = {"23556": 21, "23557": 21, "22846": 35}

# The whole stock of these is in one warehouse and ends before the season does.
SHORT_STOCK_SHARE = Decimal("0.75")


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """One real invoice: `at` is the wall-clock time in the shop."""

    number: str
    customer: str
    at: datetime
    lines: tuple[InvoiceLine, ...]

    @property
    def goods_total(self) -> Decimal:
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))

    @property
    def skus(self) -> frozenset[str]:
        return frozenset(line.sku for line in self.lines)


@dataclass(frozen=True, slots=True)
class SampleSku:
    code: str
    name: str
    category: str
    temperature: str
    is_fragile: bool
    high_price_threshold: Decimal | None
    presale_ship_date: date | None
    list_price: Decimal


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that must exist before the first order comes.

    `settlement_prices` by (channel, SKU) and `stock` in units by (SKU, warehouse).
    """

    channels: Mapping[str, str]
    skus: tuple[SampleSku, ...]
    settlement_prices: Mapping[tuple[str, str], Decimal]
    warehouses: tuple[tuple[str, str, int], ...]
    couriers: Mapping[str, str]
    packagings: Mapping[str, str]
    stock: Mapping[tuple[str, str], int]


@cache
def read_invoices() -> tuple[Invoice, ...]:
    """The sample's real invoices in the order in which they came."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for row in read_rows("online_retail_sample.csv.gz"):
        grouped.setdefault(row["InvoiceNo"], []).append(row)
    return tuple(
        Invoice(
            number=number,
            customer=rows[0]["CustomerID"],
            at=datetime.fromisoformat(rows[0]["InvoiceDate"]),
            lines=tuple(
                InvoiceLine(
                    row["StockCode"],
                    int(row["Quantity"]),
                    Decimal(row["UnitPrice"]).quantize(Decimal("0.01")),
                )
                for row in rows
            ),
        )
        for number, rows in grouped.items()
    )


def read_rows(name: str) -> Iterable[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def descriptions() -> Mapping[str, str]:
    """Each SKU's English name as the shop wrote it last."""
    rows = read_rows("online_retail_sample.csv.gz")
    return {row["StockCode"]: row["Description"] for row in rows}


@cache
def list_prices() -> Mapping[str, Decimal]:
    """The price most often paid for each SKU; the highest of several."""
    paid: dict[str, Counter[Decimal]] = defaultdict(Counter)
    for invoice in read_invoices():
        for line in invoice.lines:
            paid[line.sku][line.unit_price] += 1
    usual = {sku: max(seen, key=lambda p: (seen[p], p)) for sku, seen in paid.items()}
    return usual | {LENS: LENS_PRICE, MILK: MILK_PRICE}


def is_fragile(sku: str) -> bool:
    return not FRAGILE_WORDS.isdisjoint(descriptions().get(sku, "").split())


def temperature(sku: str) -> str:
    if any(word in descriptions().get(sku, "") for word in FROZEN_WORDS):
        return "frozen"
    return "chilled" if sku in CHILLED else "ambient"


def is_cold(sku: str) -> bool:
    return sku == MILK or temperature(sku) != "ambient"


def category(sku: str) -> str:
    words = set(descriptions()[sku].split())
    return next((name for name, marks in CATEGORIES.items() if words & set(marks)), "home")


def sample_skus(today: date) -> tuple[SampleSku, ...]:
    """The real SKUs, and the brand's two own: a lens and milk powder."""
    prices = list_prices()
    real = (
        SampleSku(
            code=sku,
            name=name,
            category=category(sku),
            temperature=temperature(sku),
            is_fragile=is_fragile(sku),
            high_price_threshold=HIGH_PRICE,
            presale_ship_date=(
                today + timedelta(days=PRESALE_DAYS[sku]) if sku in PRESALE_DAYS else None
            ),
            list_price=prices[sku],
        )
        for sku, name in sorted(descriptions().items())
    )
    lens = SampleSku(
        LENS, "85MM PORTRAIT LENS", "lens", "ambient", False, HIGH_PRICE, None, LENS_PRICE
    )
    milk = SampleSku(
        MILK, "INFANT MILK POWDER 900G", "milk_powder", "ambient", False, None, None, MILK_PRICE
    )
    return (*real, lens, milk)
