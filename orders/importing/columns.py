"""The columns of an order file in CSV, and where each stands in the order document; pure."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from django.utils.translation import gettext as _

from orders.importing.errors import UnreadableFile

ERRORS = "errors"
"""Written into the file of rejected rows, ignored when such a file is read."""

ORDER_PATHS = {
    "number": "number",
    "channel": "channel",
    "placed_at": "placed_at",
    "paid_at": "paid_at",
    "currency": "currency",
    "urgent": "urgent",
    "presale": "presale",
    "livestream_room": "livestream_room",
    "parent": "parent",
    "gift_for": "gift_for",
    "customer_external_id": "customer.external_id",
    "customer_name": "customer.name",
    "customer_phone": "customer.phone",
    "customer_phone_hash": "customer.phone_hash",
    "customer_registered_at": "customer.registered_at",
    "crm_grade": "customer.crm_grade",
    "ship_name": "ship_to.name",
    "ship_phone": "ship_to.phone",
    "ship_phone_hash": "ship_to.phone_hash",
    "province": "ship_to.province",
    "city": "ship_to.city",
    "district": "ship_to.district",
    "street": "ship_to.street",
    "coupons": "coupons",
    "discount_total": "discount_total",
    "shipping_total": "shipping_total",
    "goods_total": "goods_total",
    "grand_total": "grand_total",
    "buyer_remark": "buyer_remark",
    "seller_remark": "seller_remark",
    "invoice_title": "invoice_title",
    "delivery_slot": "delivery_slot",
    "deliveries": "deliveries",
}
"""Columns that speak of the whole order, with the path in the document."""

LINE_COLUMNS = ("sku", "quantity", "unit_price", "is_gift")
FLAGS = ("urgent", "presale", "is_gift")
COLUMNS = (*ORDER_PATHS, *LINE_COLUMNS)
REQUIRED = (
    *("number", "channel", "placed_at", "currency", "customer_external_id"),
    *("ship_name", "province", "street", "sku", "quantity", "unit_price"),
)

_LINE_PATH = re.compile(r"lines\[(\d+)\]\.?(.*)")
_COLUMN_OF_PATH = {path: column for column, path in ORDER_PATHS.items()}


def read_header(cells: Sequence[str]) -> dict[str, int]:
    """Where each column stands. Raises UnreadableFile naming what is missing or unknown."""
    names = [cell.strip().lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    problems = []
    if missing := [name for name in REQUIRED if name not in names]:
        problems.append(_("Columns are missing: %(names)s.") % {"names": ", ".join(missing)})
    for name in names:
        if name != ERRORS and name not in COLUMNS:
            problems.append(_unknown(name))
    if twice := sorted({name for name in names if names.count(name) > 1 and name}):
        problems.append(_("Columns stand twice: %(names)s.") % {"names": ", ".join(twice)})
    if problems:
        raise UnreadableFile(" ".join(problems))
    return {name: index for index, name in enumerate(names)}


def _unknown(name: str) -> str:
    near = get_close_matches(name, COLUMNS, 1)
    shown = {"name": name[:60], "near": near[0] if near else ""}
    if near:
        return _("There is no column %(name)s; did you mean %(near)s?") % shown
    return _("There is no column %(name)s.") % shown


def column_of(path: str) -> tuple[int, str]:
    """Row of the order (0 is its first) and column that a path of the document came from."""
    if found := _LINE_PATH.match(path):
        return int(found[1]), found[2] or "sku"
    if path == "lines":
        return 0, "sku"
    whole = path.split("[", 1)[0]
    return 0, _COLUMN_OF_PATH.get(path) or _COLUMN_OF_PATH.get(whole) or path
