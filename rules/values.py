"""Plain values: exact numbers, and the JSON form in which facts and conditions are stored."""

from __future__ import annotations

import re
from collections.abc import Set
from decimal import Decimal

MAX_DIGITS = 20
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,12})?\Z")


def exact_number(raw: object) -> Decimal | None:
    """The number `raw` says, exactly; None when it says none.

    Takes ints, finite floats (by their shortest form), Decimals and plain ASCII decimal
    strings. Booleans, exponents, underscores, full-width digits and numbers of more than
    twenty digits before the point are refused.
    """
    if isinstance(raw, str):
        return Decimal(raw) if _DECIMAL.match(raw) else None
    if isinstance(raw, bool):
        return None
    if isinstance(raw, float):
        raw = Decimal(repr(raw))
    if isinstance(raw, int):
        if abs(raw) >= 10**MAX_DIGITS:
            return None
        return Decimal(raw)
    if isinstance(raw, Decimal):
        if not raw.is_finite() or (raw and not -MAX_DIGITS < raw.adjusted() < MAX_DIGITS):
            return None
        return raw
    return None


def number_text(value: Decimal | int) -> str:
    """The one way a number is written: no exponent, no trailing zeros."""
    text = format(value if isinstance(value, Decimal) else Decimal(value), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain(value: object) -> object:
    """`value` as what JSON can carry, equal values always giving equal results.

    Numbers become canonical decimal strings, sets sorted tuples; text, booleans and None
    stay themselves.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (Decimal, int)):
        return number_text(value)
    if isinstance(value, frozenset):
        return tuple(sorted(map(str, value)))
    if isinstance(value, float):
        return number_text(Decimal(repr(value)))
    if isinstance(value, Set):
        return tuple(sorted(str(item) for item in value))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    raise TypeError(f"a fact cannot be a {type(value).__name__}")
