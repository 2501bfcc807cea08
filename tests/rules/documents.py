"""Small rule documents and facts for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rules.document import Document
from rules.facts import Catalogue, Fact, FactType
from rules.parsing import parse_document

AT = datetime(2026, 6, 18, 12, tzinfo=UTC)

FACTS = Catalogue(
    [
        Fact("paid", FactType.BOOL, "paid"),
        Fact("units", FactType.NUMBER, "units"),
        Fact("total", FactType.MONEY, "total", "yuan"),
        Fact("province", FactType.TEXT, "province"),
        Fact("remark", FactType.TEXT, "remark", personal=True),
        Fact("grade", FactType.CHOICE, "grade", choices=(("A", "best"), ("D", "worst"))),
        Fact("coupons", FactType.SET, "coupons"),
    ]
)


def row(fact: str, op: str, value: Any = None) -> dict[str, Any]:
    """A condition row in document form."""
    return {"fact": fact, "op": op} | ({} if value is None else {"value": value})


def rule(key: str = "r", *, when: Any = None, then: Any = None, **fields: Any) -> dict[str, Any]:
    """A rule in document form; an intercept unless another layer is named."""
    layer = fields.setdefault("layer", "intercept")
    actions = {
        "intercept": [{"do": "hold", "reason": "because", "risk": "high"}],
        "allocate": [{"do": "assign", "slot": "lane", "value": key}],
        "tag": [{"do": "tag", "tag": key}],
        "dispatch": [{"do": "dispatch"}],
    }
    return {
        "key": key,
        "name": fields.pop("name", f"rule {key}"),
        "when": [[row("paid", "is_true")]] if when is None else when,
        "then": actions.get(layer) if then is None else then,
        **fields,
    }


def document(*rules: Any) -> dict[str, Any]:
    """A document of these rules."""
    return {"rules": list(rules)}


def parsed(*rules: dict[str, Any]) -> Document:
    """The rules, read with the small catalogue."""
    return parse_document(document(*rules), FACTS)


LIVE_RULE = rule(
    "xinjiang-coupon",
    name="新疆 + 满299减100",
    priority=10,
    when=[
        [
            row("ship_to.province", "in", ["新疆维吾尔自治区"]),
            row("coupon.types", "has_any", ["满299减100"]),
        ]
    ],
)
"""A rule over the product's own facts."""

LIVE_FACTS: dict[str, object] = {
    "ship_to.province": "新疆维吾尔自治区",
    "coupon.types": frozenset({"满299减100"}),
    "order.grand_total": Decimal("299.00"),
}
