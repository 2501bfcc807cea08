"""The reference lists that the sample's abnormal orders run into."""

from collections.abc import Iterable

from config.demo.sample_customers import external_id
from config.demo.sample_goods import PRESALE_DAYS, read_invoices
from config.demo.sample_people import phone_of, platform_hash
from config.demo.sample_roles import LIMITED_SKU, Cast
from orders.divisions import Place

Entries = list[dict[str, str]]

# Beyond the customers' own numbers, which count from 0.
BLOCKED_PHONES = tuple(phone_of(9001 + n) for n in range(4))
BLOCKED_ADDRESSES = (
    (Place("浙江省", "杭州市", "余杭区"), "文一西路9690号西溪仓储2幢"),
    (Place("广东省", "广州市", "白云区"), "黄石东路8888号货运站3号门"),
    (Place("江苏省", "苏州市", "昆山市"), "前进中路7777号代收点"),
)
EMBARGOED = ("台湾省", "香港特别行政区", "澳门特别行政区")
LIMITED_PROVINCES = ("云南省", "海南省")


def reference_lists(chosen: Cast) -> dict[str, Entries]:
    """Entries (value, reason) by the list's key, to be added to the starter lists."""
    customers = [
        external_id(invoice)
        for invoice in read_invoices()
        if chosen.role(invoice).kind == "blocklist-customer"
    ]
    return {
        "blocklist": [
            *_entries(BLOCKED_PHONES, "恶意退货：多次空包"),
            *_entries(map(platform_hash, BLOCKED_PHONES), "恶意退货：平台脱敏号码"),
            *_entries(sorted(customers), "恶意退货：调包"),
            *_entries(
                ("".join(place) + street for place, street in BLOCKED_ADDRESSES),
                "职业索赔集中收货点",
            ),
        ],
        "regional_limit_skus": _entries([LIMITED_SKU], "区域限购"),
        "regional_limit_provinces": _entries(LIMITED_PROVINCES, "区域限购"),
        "presale_skus": _entries(sorted(PRESALE_DAYS), "预售"),
    }


def _entries(values: Iterable[str], reason: str) -> Entries:
    return [{"value": value, "reason": reason} for value in values]
