"""What is wrong with a document: every error with its path, and the checks of plain shape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

MAX_TEXT = 500
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One mistake: where (`rules[3].when[0][1].op`), which kind, and in words."""

    path: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """The error as the API answers it."""
        return {"path": self.path, "code": self.code, "message": self.message}


class DocumentInvalid(Exception):
    """A document that cannot be taken; carries every error."""

    def __init__(self, errors: Collection[DocumentError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in self.errors))


def shown(value: object) -> str:
    """A stranger's value made safe to repeat in one line of a message."""
    text = value if isinstance(value, str) else repr(value)
    clean = "".join("\ufffd" if unicodedata.category(c) in _INVISIBLE else c for c in text[:60])
    return clean + "…" if len(text) > 60 else clean


@dataclass(slots=True)
class Problems:
    """Collects errors while a document is read; the reading goes on."""

    errors: list[DocumentError] = field(default_factory=list)

    def add(self, path: str, code: str, message: str) -> None:
        """Note one error."""
        self.errors.append(DocumentError(path, code, message))

    def members(
        self, raw: object, path: str, required: Collection[str], optional: Collection[str] = ()
    ) -> Mapping[str, Any] | None:
        """`raw` if it is an object; missing and unknown members are noted."""
        if not isinstance(raw, Mapping):
            self.add(path, "wrong_type", _("Expected an object."))
            return None
        for name in required:
            if name not in raw:
                self.add(join(path, name), "missing_field", _("This field is required."))
        for name in raw:
            if name not in required and name not in optional:
                self.add(join(path, shown(name)), "unknown_field", _("There is no such field."))
        return raw

    def text(self, raw: object, path: str, *, limit: int = MAX_TEXT, blank: bool = False) -> str:
        """Visible text of at most `limit` characters; empty when refused."""
        if not isinstance(raw, str):
            self.add(path, "wrong_type", _("Expected text."))
        elif not blank and not raw.strip():
            self.add(path, "blank", _("This field must not be empty."))
        elif len(raw) > limit:
            self.add(path, "too_long", _("At most %(limit)d characters.") % {"limit": limit})
        elif any(unicodedata.category(char) in _INVISIBLE for char in raw):
            self.add(path, "invisible", _("Contains control or invisible characters."))
        else:
            return raw
        return ""

    def slug(self, raw: object, path: str) -> str:
        """A key made of a-z, 0-9, - and _."""
        if isinstance(raw, str) and _SLUG.match(raw):
            return raw
        self.add(
            path,
            "bad_key",
            _("A key is at most 64 characters of a-z, 0-9, - and _, and begins with no sign."),
        )
        return ""

    def one_of(self, raw: object, path: str, code: str, allowed: Collection[str]) -> str:
        """One of the allowed words."""
        if isinstance(raw, str) and raw in allowed:
            return raw
        self.add(
            path,
            code,
            _("“%(value)s” is not one of: %(allowed)s.")
            % {"value": shown(raw), "allowed": ", ".join(allowed)},
        )
        return ""

    def whole_number(self, raw: object, path: str, low: int, high: int) -> int:
        """An integer within bounds."""
        if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high:
            return raw
        self.add(
            path,
            "bad_number",
            _("Expected a whole number from %(low)d to %(high)d.") % {"low": low, "high": high},
        )
        return low

    def time(self, raw: object, path: str) -> datetime | None:
        """An RFC 3339 time with its offset, or None for null."""
        if raw is None:
            return None
        try:
            moment = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        except ValueError:
            moment = None
        if moment is None:
            self.add(path, "bad_time", _("Expected a time such as 2026-06-18T00:00:00+08:00."))
        elif moment.utcoffset() is None:
            self.add(path, "naive_time", _("A time needs its offset, such as +08:00."))
        else:
            return moment
        return None


def join(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name
