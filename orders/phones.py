"""Telephone numbers as buyers and platforms write them: read, compared, shown masked."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Kind = Literal["plain", "masked", "landline"]

# What people type between digits, and what platforms print in place of one.
_SEPARATORS = re.compile(r"[\s().·-]")
_MASK = re.compile(r"[xX•●○◦∗⁎✱]")
_DASHES = re.compile(r"[\u2010-\u2015\u2212\u30fc\ufe63]")

_EXTENSION = re.compile(r"(?:转|轉|#|ext\.?|,|;ext=|(?<=\d{7})-)\s*(\d{1,6})$", re.IGNORECASE)
_MASKED = re.compile(r"(?:\+?86)?(?=[\d*]{7,15}$)(?=.*\*{3})([\d*]+)")
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9]\d{9})")
_FOREIGN = re.compile(r"(?:\+|00)(?!86)([1-9]\d{6,14})")
_LANDLINE = re.compile(r"(?:(?:\+|00)86)?0?(10|2\d|[3-9]\d{2})([2-8]\d{6,7})")
_SERVICE = re.compile(r"([48]00)(\d{3})(\d{4})")


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in its one comparable form.

    plain: E.164, `+8613800000000`. landline: `0571-88157388`, or `400-820-8820`.
    masked: digits and asterisks as the platform gave them, `138****0000`; not a number to call.
    `extension` is what a platform's forwarding number or a switchboard asks for afterwards.
    """

    kind: Kind
    value: str
    extension: str = ""

    @property
    def is_masked(self) -> bool:
        return self.kind == "masked"


class InvalidPhone(ValueError):
    """Raised for a text that is neither a telephone number nor a masked one."""

    code = "invalid_phone"
    message: str | Promise = _(
        "This is not a telephone number. Enter a mobile number such as 138 0000 0000, "
        "a landline with its area code, or a foreign number with + and the country code."
    )

    def __init__(self) -> None:
        super().__init__(self.code)


def parse_phone(text: str) -> Phone:
    """The number in `text`, whatever its spacing, width or script of digits.

    Invisible characters, which copying from a chat leaves around numbers, are removed.
    Raises InvalidPhone; the message does not repeat the text.
    """
    visible = _visible(text)
    found = _read(visible)
    if found is None and (extension := _EXTENSION.search(visible)):
        found = _read(visible[: extension.start()], extension[1])
    if found is None:
        raise InvalidPhone
    return found


def _read(text: str, extension: str = "") -> Phone | None:
    digits = _SEPARATORS.sub("", text)
    if masked := _MASKED.fullmatch(_MASK.sub("*", digits)):
        return Phone("masked", masked[1])
    if mobile := _MOBILE.fullmatch(digits):
        return Phone("plain", f"+86{mobile[1]}", extension)
    if foreign := _FOREIGN.fullmatch(digits):
        return Phone("plain", f"+{foreign[1]}", extension)
    if service := _SERVICE.fullmatch(digits):
        return Phone("landline", "-".join(service.groups()), extension)
    landline = _LANDLINE.fullmatch(digits)
    if landline and (digits.startswith(("0", "+")) or "-" in text):
        return Phone("landline", f"0{landline[1]}-{landline[2]}", extension)
    return None


def mask_phone(value: str) -> str:
    """The number with its middle hidden: 138****0000. What is masked already stays as it is."""
    if not value or "*" in value:
        return value
    area, dash, local = value.partition("-")
    if dash and area.startswith("0"):
        return f"{area}-****{local[-4:]}"
    digits = re.sub(r"\D", "", value.removeprefix("+86"))
    if len(digits) < 7:
        return "*" * len(digits)
    return f"{digits[:3]}****{digits[-4:]}"


def mask_name(name: str) -> str:
    """The first character and as many asterisks as follow, three at most: 林*."""
    name = name.strip()
    return name[:1] + "*" * min(len(name) - 1, 3) if len(name) > 1 else "*" * len(name)


def _visible(text: str) -> str:
    """Full-width and foreign digits as ASCII, dashes as one, without invisible characters."""
    if text.isascii():
        return text.strip()
    folded = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    shown = (c for c in folded if unicodedata.category(c) not in ("Cf", "Mn", "Me"))
    return "".join(_ascii_digit(c) for c in shown).strip()


def _ascii_digit(character: str) -> str:
    if character.isascii() or not character.isdecimal():
        return character
    return str(unicodedata.decimal(character))
