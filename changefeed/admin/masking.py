"""Personal data in messages and answers, hidden from whoever may not see it; pure."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

_NAMES = {"name", "ship_name", "invoice_title"}
_PHONES = {"phone", "phone_masked", "ship_phone", "mobile"}
_WHOLE = {"street", "address", "phone_hash", "email", "buyer_remark", "seller_remark", "note"}
_HIDDEN = "***"
_STAND_IN = re.compile(r".?\*{1,3}")
_MOBILE = re.compile(r"(?<!\d)((?:(?:\+|00)?86[ -]?)?1[3-9]\d)[ -]?\d{4}[ -]?(\d{4})(?!\d)")
# A member of a JSON object that is called like personal data; its end may be cut off, and within
# a text of another document its quotes are escaped.
_KEYS = "|".join(sorted(_NAMES | _PHONES | _WHOLE))
_MEMBERS = (
    re.compile(rf'(?P<before>"(?P<key>{_KEYS})"\s*:\s*")(?P<value>(?:[^"\\]|\\.)*)', re.S),
    re.compile(
        rf'(?P<before>(?P<by>\\+)"(?P<key>{_KEYS})(?P=by)"\s*:\s*(?P=by)")'
        r'(?P<value>(?:(?!(?P=by)").)*)',
        re.S,
    ),
)
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
    return _HIDDEN if key in _WHOLE else _MOBILE.sub(r"\1****\2", value)


def scrubbed(text: str, personal: Iterable[tuple[str, str]], *, is_cut: bool = False) -> str:
    """Free text without personal values: those given, members of JSON called so, mobile numbers.

    `personal` are pairs of value and what stands for it, as `personal_values` gives them. Of a
    text that `is_cut`, the end may be the beginning of one.
    """
    ordered = sorted(personal, key=lambda pair: -len(pair[0]))
    for value, stand_in in ordered:
        for form in _forms(value):
            text = text.replace(form, stand_in)
    for members in _MEMBERS:
        text = members.sub(_without_value, text)
    if is_cut:
        text = _without_beginning(text, ordered)
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


def _forms(value: str) -> Iterator[str]:
    """As it is, and as JSON in ASCII and URLs write it."""
    yield value
    if not value.isascii():
        escaped = json.dumps(value)[1:-1]
        yield escaped
        yield re.sub(r"\\u[0-9a-f]{4}", lambda one: "\\u" + one[0][2:].upper(), escaped)
        yield quote(value, safe="")


def _without_value(member: re.Match[str]) -> str:
    key, value = member["key"], member["value"]
    if key in _PHONES:
        value = _masked_phone(value) if value else ""
    elif value and not _STAND_IN.fullmatch(value):
        value = _HIDDEN
    return f"{member['before']}{value}"


def _without_beginning(text: str, personal: Iterable[tuple[str, str]]) -> str:
    for value, _stand_in in personal:
        for form in _forms(value):
            for length in range(len(form) - 1, _SHORTEST_SCRUBBED - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + _HIDDEN
    return text


def _masked_phone(value: str) -> str:
    if "*" in value:
        return value
    digits = re.sub(r"\D", "", value)
    if len(digits) < 7:
        return _HIDDEN
    return f"{digits[:3]}****{digits[-4:]}"
