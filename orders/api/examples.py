"""An order as it arrives, for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

ORDER = OpenApiExample(
    "A livestream order",
    request_only=True,
    value={
        "number": "DY-20261111-000127",
        "channel": "douyin",
        "placed_at": "2026-11-11T02:13:09+08:00",
        "paid_at": "2026-11-11T02:13:41+08:00",
        "currency": "CNY",
        "livestream_room": "austin-1111",
        "customer": {
            "external_id": "C-88",
            "name": "林婷",
            "phone": "+8613800000000",
            "registered_at": "2026-11-10T20:00:00+08:00",
            "crm_grade": "B",
        },
        "ship_to": {
            "name": "林婷",
            "phone": "138****0000",
            "phone_hash": "b7e23ec29af2",
            "province": "浙江省",
            "city": "杭州市",
            "district": "余杭区",
            "street": "文一西路 969 号",
        },
        "lines": [{"sku": "LENS-85", "quantity": 1, "unit_price": "2999.00"}],
        "coupons": [{"code": "LIVE10", "type": "满299减100", "discount": "100.00"}],
        "goods_total": "2999.00",
        "discount_total": "100.00",
        "shipping_total": "0.00",
        "grand_total": "2899.00",
    },
)
