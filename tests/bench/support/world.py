"""What a benchmark's database holds before the first order: goods, stock, rules, subscribers."""

from decimal import Decimal

from changefeed.keys import create_key
from changefeed.lifecycle import add_endpoint
from changefeed.models import Endpoint
from orders.models import Sku, Stock, StockEntry, Warehouse
from orders.status import StockMove
from rules.lifecycle import import_document, publish
from rules.starting import load_starter, starter_document
from tests.bench.support.documents import SKUS
from tests.factories import make_world

UNITS = 10_000_000
RULES = 300


def load_world(*, rules: int = RULES, endpoints: int = 3) -> str:
    """Fill a migrated database; the plain text of an API key that may write orders."""
    make_world()
    _make_goods()
    _publish_rules(rules)
    add_endpoints(endpoints)
    return make_key()


def add_endpoints(count: int) -> None:
    """Subscribe so many receivers, where nobody listens."""
    for number in range(1, count + 1):
        endpoint = Endpoint(name=f"bench-{number}", url=f"http://127.0.0.1:{9000 + number}/hooks")
        add_endpoint(endpoint, actor="system")


def make_key(name: str = "bench") -> str:
    """The plain text of an API key that may write orders."""
    return create_key(name, source=name, scopes=["orders:write"])[1]


def _make_goods() -> None:
    skus = Sku.objects.bulk_create(
        Sku(
            code=f"B-{number:03d}",
            name=f"bench {number}",
            category=("snacks", "cosmetics", "books", "toys")[number % 4],
            high_price_threshold=Decimal(2000),
        )
        for number in range(SKUS)
    )
    warehouses = Warehouse.objects.filter(code__in=["EAST-1", "COLD-1"]).order_by("code")
    stocks = Stock.objects.bulk_create(
        Stock(sku=sku, warehouse=warehouse, on_hand=UNITS)
        for sku in skus
        for warehouse in warehouses
    )
    StockEntry.objects.bulk_create(
        StockEntry(stock=stock, move=StockMove.RECEIVE, on_hand_delta=UNITS, actor="system")
        for stock in stocks
    )


def _publish_rules(count: int) -> None:
    """The shipped rules, and as many more as a busy desk has; hardly any order meets those."""
    load_starter("system")
    document = starter_document()
    rules = document["rules"]
    rules += [_extra_rule(number) for number in range(count - len(rules))]
    publish(import_document(document, "system", note="bench"), "system", "bench")


def _extra_rule(number: int) -> dict[str, object]:
    """One rule of the kinds that desks accumulate; each names something of its own."""
    kinds: list[list[dict[str, object]]] = [
        [
            {"fact": "goods.skus", "op": "has_any", "value": [f"OLD-{number}", f"OLD-{number}-B"]},
            {"fact": "order.unit_count", "op": "gt", "value": 3 + number % 9},
        ],
        [
            {"fact": "ship_to.province", "op": "in", "value": ["西藏自治区", "青海省"]},
            {"fact": "order.grand_total", "op": "gte", "value": 20_000 + number},
        ],
        [
            {"fact": "coupon.types", "op": "has_any", "value": [f"专场{number}"]},
            {"fact": "customer.account_age_hours", "op": "lt", "value": 24},
        ],
        [
            {"fact": "order.livestream_room", "op": "eq", "value": f"room-{number}"},
            {"fact": "order.placed_hour", "op": "between", "value": [1, 5]},
            {"fact": "goods.high_price", "op": "is_true"},
        ],
        [
            {"fact": "customer.returns_30d", "op": "gte", "value": 5 + number % 7},
            {"fact": "order.discount_share", "op": "gt", "value": 0.6},
        ],
        [{"fact": "order.buyer_remark", "op": "contains_text", "value": f"加急单{number}"}],
    ]
    layer = ("intercept", "allocate", "tag")[number % 3]
    then: dict[str, dict[str, object]] = {
        "intercept": {"do": "hold", "reason": f"bench {number}", "risk": "medium"},
        "allocate": {"do": "assign", "slot": "lane", "value": f"lane-{number}"},
        "tag": {"do": "tag", "tag": f"tag-{number}"},
    }
    return {
        "key": f"bench-{number:04d}",
        "name": f"bench {number}",
        "layer": layer,
        "priority": 100 + number,
        "when": [kinds[number % len(kinds)]],
        "then": [then[layer]],
        "on_missing": "no_match",
        "status": "live",
        "valid_from": None,
        "valid_until": None,
    }
