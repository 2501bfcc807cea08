"""Order documents for load: three lines of 200 SKUs, every order from a customer of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SKUS = 200
"""How many goods there are; their codes are B-000 onwards."""

PLACES = (
    ("浙江省", "杭州市", "余杭区"),
    ("广东省", "深圳市", "南山区"),
    ("四川省", "成都市", "武侯区"),
    ("江苏省", "南京市", "鼓楼区"),
    ("湖北省", "武汉市", "江夏区"),
    ("山东省", "青岛市", "市南区"),
    ("福建省", "厦门市", "思明区"),
    ("陕西省", "西安市", "雁塔区"),
)
STEPS = (0, 67, 131)
"""Distances, modulo the number of SKUs, between the three lines of an order."""


def documents(prefix: str, count: int) -> Iterator[dict[str, Any]]:
    """`count` paid orders whose numbers begin with `prefix`."""
    now = datetime.now(UTC)
    for index in range(count):
        placed = now - timedelta(seconds=600 + index % 300)
        province, city, district = PLACES[index % len(PLACES)]
        phone = f"+86138{index % 100_000_000:08d}"
        prices = [f"{19 + (index * 7 + step) % 60}.90" for step in STEPS]
        quantities = [1 + (index + step) % 3 for step in range(3)]
        cents = [int(p.replace(".", "")) * q for p, q in zip(prices, quantities, strict=True)]
        goods = f"{sum(cents) // 100}.{sum(cents) % 100:02d}"
        yield {
            "number": f"{prefix}-{index:07d}",
            "channel": ("douyin", "tmall", "app")[index % 3],
            "placed_at": placed.isoformat(),
            "paid_at": (placed + timedelta(seconds=40)).isoformat(),
            "currency": "CNY",
            "urgent": False,
            "presale": False,
            "livestream_room": None,
            "parent": None,
            "gift_for": None,
            "customer": {
                "external_id": f"{prefix}-C{index}",
                "name": "林婷",
                "phone": phone,
                "registered_at": (placed - timedelta(days=200 + index % 500)).isoformat(),
                "crm_grade": "ABC"[index % 3],
            },
            "ship_to": {
                "name": "林婷",
                "phone": phone,
                "province": province,
                "city": city,
                "district": district,
                "street": f"文一西路 {index} 号 {prefix} 单元",
            },
            "lines": [
                {
                    "sku": f"B-{(index * 13 + step) % SKUS:03d}",
                    "quantity": quantity,
                    "unit_price": price,
                    "is_gift": False,
                }
                for step, quantity, price in zip(STEPS, quantities, prices, strict=True)
            ],
            "coupons": [],
            "goods_total": goods,
            "discount_total": "0.00",
            "shipping_total": "0.00",
            "grand_total": goods,
            "buyer_remark": "",
            "seller_remark": "",
            "invoice_title": "",
            "delivery_slot": None,
            "deliveries": [],
        }
