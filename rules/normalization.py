"""The skeleton of a text: what is left when every way of writing it differently is undone."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Letters that look like a Latin letter, by the case in which they do.
_LOOKALIKES = {
    # Cyrillic
    "АВЕЅІЈКМНОРСТХУԌԚԜҮЅԀһ": "ABESIJKMHOPCTXYGQWYSDh",
    "авеѕіјкмнорстхуԁԍԛԝүӏց": "abesijkmhopctxydgqwylg",
    # Greek
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺϲϳ": "ABEZHIKMNOPTYXCMcj",
    "αβγεικνορτυχωϱ": "abyeikvoptuxwp",
    # Armenian, Cherokee
    "օսհոքԼՕՏ": "ouhnqLOS",
    "ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᏚᎢᏙᏔᏃᎡ": "ABCDEGHJKLMPSTVWZR",
    # Latin letters that NFKC leaves alone
    "ıȷɑɡƅɩʏᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡᴢøłđħɵ": "ijagbiyabcdeghijklmnoprstuvwzoldho",
}
_DASHES = "‐‑‒–—―−⁃﹘➖⸺⸻᠆"
# Invisible, though not of a category that says so.
_BLANKS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\ufffc"
_MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0x180B, 0x180F))
_DROPPED_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Zs", "Zl", "Zp"})
_CACHED_LENGTH = 256
_PASSES = 5

_CONFUSABLE: dict[int, str] = {
    ord(odd): latin
    for odds, latins in _LOOKALIKES.items()
    for odd, latin in zip(odds, latins, strict=True)
} | {ord(dash): "-" for dash in _DASHES}


class _Characters(dict[int, str]):
    """What each character becomes, worked out when it is first seen."""

    def __missing__(self, code: int) -> str:
        result = _replacement(code)
        if code <= 0xFFFF:
            self[code] = result
        return result


def _replacement(code: int) -> str:
    if code in _CONFUSABLE:
        return _CONFUSABLE[code]
    char = chr(code)
    if char in _BLANKS or char.isspace() or unicodedata.category(char) in _DROPPED_CATEGORIES:
        return ""
    if any(low <= code <= high for low, high in _MARKS + _SELECTORS):
        return ""
    digit = unicodedata.digit(char, None)
    return char if digit is None else str(digit)


_CHARACTERS = _Characters()


# Chinese characters and visible ASCII have no other way of being written; only case is left.
_SETTLED = re.compile("[!-~\u4e00-\u9fff]*").fullmatch


def _skeleton(text: str) -> str:
    """Passes until nothing changes; one pass may uncover what the next one undoes."""
    if _SETTLED(text):
        return text.lower()
    for _pass in range(_PASSES):
        before = text
        # Lookalikes first: some decompose into another letter than they look like.
        text = text.translate(_CHARACTERS)
        if not text.isascii():
            text = unicodedata.normalize("NFKD", text).translate(_CHARACTERS)
            text = unicodedata.normalize("NFKC", text)
        text = text.casefold()
        if text == before:
            break
    return text


# The same few texts of an order are looked up on one list after the other.
_cached = lru_cache(maxsize=4096)(_skeleton)


def skeleton(text: str) -> str:
    """`text` without the differences that people do not see or do not mean.

    Compatibility forms, full-width and foreign digits, invisible and direction characters,
    stacked marks, lookalike letters, dashes, case and white space are all undone; what stays
    is compared exactly. Linear in the length of the text.
    """
    return _cached(text) if len(text) <= _CACHED_LENGTH else _skeleton(text)
