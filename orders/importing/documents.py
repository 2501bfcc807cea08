"""From the rows of one order to its document; pure.

A value that cannot be converted is handed on as the text it is, so that the document's own checks
say what is wrong with it, in the same words as for the API.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from orders.errors import FieldError
from orders.importing.columns import FLAGS, LINE_COLUMNS, ORDER_PATHS
from orders.intake.document import AMOUNT
from orders.totals import goods_total

_TRUE = {"true", "yes", "y", "1", "是"}
_FALSE = {"false", "no", "n", "0", "否"}
_NESTED = ("customer", "ship_to")
_LIST = ";；"

Row = Mapping[str, str]


def to_document(rows: Sequence[Row]) -> tuple[dict[str, Any], list[FieldError]]:
    """The order document of adjacent rows, and what is wrong with them as rows.

    Cells of the whole order may stand in every row or in the first only. Totals left out follow
    from the lines, the coupons and shipping.
    """
    errors = _contradictions(rows)
    document: dict[str, Any] = {name: {} for name in _NESTED}
    for column, path in ORDER_PATHS.items():
        value = _first(rows, column)
        if value and column not in ("coupons", "deliveries"):
            _place(document, path, _flag(value) if column in FLAGS else value)
    document["lines"] = [_line(row) for row in rows]
    if text := _first(rows, "coupons"):
        document["coupons"] = _coupons(text, errors)
    if text := _first(rows, "deliveries"):
        document["deliveries"] = _deliveries(text, errors)
    _fill_totals(document)
    return document, errors


def _first(rows: Sequence[Row], column: str) -> str:
    return next((row[column] for row in rows if row.get(column)), "")


def _contradictions(rows: Sequence[Row]) -> list[FieldError]:
    errors = []
    for column, path in ORDER_PATHS.items():
        if len({row[column] for row in rows if row.get(column)}) > 1:
            message = _("The rows of this order say different things here.")
            errors.append(FieldError(path, "contradiction", message))
    return errors


def _place(document: dict[str, Any], path: str, value: Any) -> None:
    parent, dot, name = path.partition(".")
    if dot:
        document[parent][name] = value
    else:
        document[path] = value


def _flag(text: str) -> bool | str:
    lowered = text.lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else text


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _line(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {name: row[name] for name in LINE_COLUMNS if row.get(name)}
    if "quantity" in line:
        line["quantity"] = _whole(line["quantity"])
    if "is_gift" in line:
        line["is_gift"] = _flag(line["is_gift"])
    return line


def _parts(text: str, separators: str) -> list[str]:
    for other in separators[1:]:
        text = text.replace(other, separators[0])
    return [part.strip() for part in text.split(separators[0]) if part.strip()]


def _coupons(text: str, errors: list[FieldError]) -> list[dict[str, str]]:
    coupons = []
    for part in _parts(text, _LIST):
        values = [value.strip() for value in part.replace("｜", "|").split("|")]
        if len(values) != 3:
            message = _("Write each coupon as code|type|discount, with ; between them.")
            errors.append(FieldError("coupons", "coupon_shape", message))
            return []
        coupons.append(dict(zip(("code", "type", "discount"), values, strict=True)))
    return coupons


def _deliveries(text: str, errors: list[FieldError]) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = []
    for part in _parts(text, _LIST):
        day, *rest = _parts(part, "=＝")
        delivery: dict[str, Any] = {"date": day}
        items = [item.replace("×", "*").rpartition("*") for item in _parts("".join(rest), ",，")]
        if len(rest) > 1 or not all(sku for sku, _star, _units in items):
            message = _("Write deliveries as 2026-11-20; 2026-11-27, or 2026-11-20=SKU*2,SKU*1.")
            errors.append(FieldError("deliveries", "delivery_shape", message))
            return []
        if items:
            delivery["lines"] = [
                {"sku": sku.strip(), "quantity": _whole(units.strip())}
                for sku, _star, units in items
            ]
        deliveries.append(delivery)
    return deliveries


def _amount(value: Any) -> Decimal:
    """The amount, or zero for one that the document's checks will refuse anyway."""
    return Decimal(value) if isinstance(value, str) and AMOUNT.fullmatch(value) else Decimal(0)


def _fill_totals(document: dict[str, Any]) -> None:
    lines = [
        (line["quantity"], _amount(line.get("unit_price")))
        for line in document["lines"]
        if isinstance(line.get("quantity"), int)
    ]
    coupons = [_amount(coupon["discount"]) for coupon in document.get("coupons", ())]
    document.setdefault("goods_total", str(goods_total(lines)))
    document.setdefault("discount_total", str(sum(coupons, Decimal("0.00"))))
    document.setdefault("shipping_total", "0.00")
    goods, discount, shipping = (
        _amount(document[name]) for name in ("goods_total", "discount_total", "shipping_total")
    )
    document.setdefault("grand_total", str(max(goods - discount + shipping, Decimal("0.00"))))
