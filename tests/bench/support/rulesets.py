"""Rule documents and order facts of any number, as varied as a busy desk's, from a seed."""

import random
from decimal import Decimal
from typing import Any

PROVINCES = (
    "浙江省",
    "江苏省",
    "广东省",
    "北京市",
    "上海市",
    "四川省",
    "新疆维吾尔自治区",
    "西藏自治区",
)
COUPONS = ("满299减100", "满199减30", "新人券", "直播专享", "内购", "店铺券")
CATEGORIES = ("snacks", "cosmetics", "books", "toys", "milk_powder", "lens", "liquid")
GRADES = ("A", "B", "C", "D")
CHANNELS = ("douyin", "tmall", "app")


def rules_json(count: int, seed: int = 1) -> dict[str, Any]:
    """A document of `count` rules over the four layers; about one order in ten meets a hold."""
    dice = random.Random(seed)
    return {"rules": [_rule(number, dice) for number in range(count)]}


def facts(count: int, seed: int = 2) -> list[dict[str, object]]:
    """Facts of `count` orders as screening sees them; now and then one is not known."""
    dice = random.Random(seed)
    return [_facts(number, dice) for number in range(count)]


def _rule(number: int, dice: random.Random) -> dict[str, Any]:
    layer = ("intercept", "intercept", "allocate", "allocate", "tag", "dispatch")[number % 6]
    then: dict[str, dict[str, object]] = {
        "intercept": {"do": "hold", "reason": f"reason {number}", "risk": "medium"},
        "allocate": {
            "do": "assign",
            "slot": ("warehouse", "courier", "packaging", "lane")[number // 6 % 4],
            "value": f"value-{number}",
        },
        "tag": {"do": "tag", "tag": f"tag-{number}"},
        "dispatch": {"do": "dispatch"},
    }
    groups = 1 + (dice.random() < 0.3)
    return {
        "key": f"rule-{number:04d}",
        "name": f"rule {number}",
        "layer": layer,
        "priority": dice.randrange(1, 1_000),
        "when": [_group(number, dice, strict=layer == "intercept") for _ in range(groups)],
        "then": [then[layer]],
    }


def _group(number: int, dice: random.Random, *, strict: bool) -> list[dict[str, object]]:
    kinds = (
        _row("ship_to.province", "in", sorted(dice.sample(PROVINCES, 2))),
        _row("coupon.types", "has_any", [dice.choice(COUPONS), f"专场{number}"]),
        _row("coupon.types", "has_none", [dice.choice(COUPONS)]),
        _row("order.grand_total", "gte", dice.randrange(1, 4_000)),
        _row("order.grand_total", "between", [low := dice.randrange(3_000), low + 400]),
        _row("order.placed_hour", "between", [start := dice.randrange(20), start + 3]),
        _row("order.unit_count", "gt", dice.randrange(1, 9)),
        _row("order.discount_share", "gt", dice.randrange(1, 9) / 10),
        _row("customer.account_age_hours", "lt", dice.randrange(24, 20_000)),
        _row("customer.returns_30d", "gte", dice.randrange(1, 6)),
        _row("customer.crm_grade", "in", sorted(dice.sample(GRADES, 2))),
        _row("customer.employee", "is_false"),
        _row("goods.categories", "has_all", sorted(dice.sample(CATEGORIES, 2))),
        _row("goods.skus", "has_any", [f"B-{dice.randrange(200):03d}" for _ in range(3)]),
        _row("goods.high_price", "is_true"),
        _row("order.channel", "ne", dice.choice(CHANNELS)),
        _row("order.livestream_room", "eq", f"room-{dice.randrange(30)}"),
        _row("order.buyer_remark", "contains_text", f"备注{dice.randrange(100)}"),
        _row("order.urgent", "is_true"),
        _row("customer.sign_for_rate", "lt", dice.randrange(50, 100) / 100),
    )
    rows = dice.sample(kinds, dice.randrange(2, 5))
    if strict:
        rows.append(_row("goods.skus", "has_any", [f"B-{dice.randrange(200):03d}"]))
    return rows


def _row(fact: str, op: str, value: object = None) -> dict[str, object]:
    return {"fact": fact, "op": op} | ({} if value is None else {"value": value})


def _facts(number: int, dice: random.Random) -> dict[str, object]:
    total = Decimal(dice.randrange(100, 400_000)) / 100
    discount = (total * dice.randrange(0, 60) / 100).quantize(Decimal("0.01"))
    known: dict[str, object] = {
        "order.channel": dice.choice(CHANNELS),
        "order.grand_total": total,
        "order.goods_total": total + discount,
        "order.discount_total": discount,
        "order.discount_share": (discount / (total + discount)).quantize(Decimal("0.000001")),
        "order.placed_hour": Decimal(dice.randrange(24 * 60)) / 60,
        "order.is_paid": True,
        "order.urgent": dice.random() < 0.05,
        "order.unit_count": Decimal(dice.randrange(1, 12)),
        "order.line_count": Decimal(dice.randrange(1, 5)),
        "order.buyer_remark": f"备注{dice.randrange(500)}，请尽快发货",
        "coupon.types": frozenset(dice.sample(COUPONS, dice.randrange(0, 3))),
        "coupon.count": Decimal(dice.randrange(0, 3)),
        "goods.skus": frozenset(f"B-{dice.randrange(200):03d}" for _ in range(3)),
        "goods.categories": frozenset(dice.sample(CATEGORIES, dice.randrange(1, 4))),
        "goods.fragile": dice.random() < 0.1,
        "goods.high_price": dice.random() < 0.1,
        "ship_to.province": dice.choice(PROVINCES),
        "ship_to.address": f"{dice.choice(PROVINCES)}文一西路 {number} 号",
        "ship_to.phone": f"+86138{number:08d}",
        "ship_to.orders_24h": Decimal(dice.randrange(0, 3)),
        "customer.external_id": f"C-{number}",
        "customer.account_age_hours": Decimal(dice.randrange(1, 40_000)),
        "customer.employee": dice.random() < 0.02,
        "customer.orders_24h": Decimal(dice.randrange(0, 3)),
        "customer.lifetime_spend": Decimal(dice.randrange(0, 900_000)) / 100,
        "customer.returns_30d": Decimal(dice.choice((0, 0, 0, 0, 1, 2, 6))),
        "stock.shortage": False,
    }
    if dice.random() < 0.4:
        known["order.livestream_room"] = f"room-{dice.randrange(30)}"
    if dice.random() < 0.9:
        known["customer.crm_grade"] = dice.choice(GRADES)
    if dice.random() < 0.7:
        known["customer.sign_for_rate"] = Decimal(dice.randrange(60, 101)) / 100
    return known
