"""Order documents that must be refused, as changes to a good one, each with the error it earns."""

from typing import Any

BAD: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"channel": "nowhere"}, ("channel", "unknown_channel")),
    ({"lines": [("NONE", 1, "99.00")]}, ("lines[0].sku", "unknown_sku")),
    ({"lines": [("TEA-1", 0, "99.00")]}, ("lines[0].quantity", "greater_than_equal")),
    ({"lines": [("TEA-1", -1, "99.00")]}, ("lines[0].quantity", "greater_than_equal")),
    ({"currency": "USD"}, ("currency", "currency_mismatch")),
    ({"placed_at": "2026-11-11T02:13:09"}, ("placed_at", "timezone_aware")),
    ({"paid_at": "2026-11-11 02:13"}, ("paid_at", "timezone_aware")),
    ({"placed_at": "2999-01-01T00:00:00Z", "paid_at": None}, ("placed_at", "future")),
    ({"paid_at": "2999-01-01T00:00:00Z"}, ("paid_at", "future")),
    ({"paid_at": "2001-01-01T00:00:00Z"}, ("paid_at", "before_placed")),
    ({"placed_at": "1999-01-01T00:00:00Z"}, ("placed_at", "too_old")),
    ({"customer": {"registered_at": "2999-01-01T00:00:00Z"}}, ("customer.registered_at", "future")),
    ({"goods_total": "98.00", "grand_total": "98.00"}, ("goods_total", "does_not_add_up")),
    ({"grand_total": "98.00"}, ("grand_total", "does_not_add_up")),
    ({"discount_total": "100.00", "grand_total": "0.00"}, ("discount_total", "too_large")),
    (
        {
            "coupons": [{"code": "C", "type": "T", "discount": "10.00"}],
            "discount_total": "0.00",
            "grand_total": "99.00",
        },
        ("discount_total", "does_not_add_up"),
    ),
    ({"ship_to": {"city": "广州市"}}, ("ship_to.city", "unknown_city")),
    ({"ship_to": {"district": "天河区"}}, ("ship_to.district", "unknown_district")),
    ({"ship_to": {"province": "火星省"}}, ("ship_to.province", "unknown_province")),
    ({"ship_to": {"phone": "12345"}}, ("ship_to.phone", "invalid_phone")),
    ({"customer": {"phone": "not a phone"}}, ("customer.phone", "invalid_phone")),
    ({"number": "B-9", "parent": "B-9"}, ("parent", "itself")),
    ({"number": "B-8", "gift_for": "B-8"}, ("gift_for", "itself")),
    ({"number": "has space"}, ("number", "code_characters")),
    ({"extra": 1}, ("extra", "extra_forbidden")),
    ({"grand_total": 99.0}, ("grand_total", "amount")),
    ({"grand_total": "１２.５"}, ("grand_total", "amount")),
    ({"lines": []}, ("lines", "too_short")),
    (
        {"deliveries": [{"date": "2999-01-01"}, {"date": "2999-01-01"}]},
        ("deliveries", "same_day_twice"),
    ),
    ({"deliveries": [{"date": "2001-01-01"}]}, ("deliveries", "before_placed")),
    (
        {"deliveries": [{"date": "2999-01-01"}, {"date": "2999-01-02"}]},
        ("deliveries", "does_not_divide"),
    ),
]
