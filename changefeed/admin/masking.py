"""Personal data in messages and answers, hidden from whoever may not see it; pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

_NAMES = {"name", "ship_name", "invoice_title"}
_PHONES = {"phone", "phone_masked", "ship_phone", "mobile"}
_WHOLE = {"street", "address", "phone_hash", "email", "buyer_remark", "seller_remark", "note"}
_HIDDEN = "***"
_MOBILE = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")
# Shorter texts would blot out half of an answer.
_SHORTEST_SCRUBBED = 2


def masked(value: Any, key: str = "") -> Any:
    """The JSON value with names, phones, streets and remarks hidden, at any depth.

    `key` is the name under which the value stands; it says what the value is.
    """
    if isinstance(value, dict):
        return {name: masked(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [masked(one, key) for one in value]
    if not isinstance(value, str) or not value:
        return value
    if key in _PHONES:
        return _masked_phone(value)
    if key in _NAMES:
        return value[:1] + "*" * min(max(len(value) - 1, 1), 3)
    return _HIDDEN if key in _WHOLE else value


def scrubbed(text: str, personal: Iterable[tuple[str, str]]) -> str:
    """Free text without the given personal values, and without what looks like a mobile number.

    `personal` are pairs of value and what stands for it, as `personal_values` gives them.
    """
    for value, stand_in in sorted(personal, key=lambda pair: -len(pair[0])):
        text = text.replace(value, stand_in)
    return _MOBILE.sub(r"\1****\2", text)


def personal_values(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every personal text of a JSON value with what stands for it."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from personal_values(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from personal_values(one, key)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SCRUBBED:
        stand_in = masked(value, key)
        if stand_in != value:
            yield value, stand_in


def _masked_phone(value: str) -> str:
    if "*" in value:
        return value
    digits = re.sub(r"\D", "", value)
    if len(digits) < 7:
        return _HIDDEN
    return f"{digits[:3]}****{digits[-4:]}"
