"""The present state of subjects, page by page, for consumers that start or start again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing

from changefeed.errors import FeedError, UnknownSubject

_SALT = "changefeed.snapshot"

Item = dict[str, Any]
Reader = Callable[[int, int], Sequence[tuple[int, Item]]]
"""(behind which row id, how many) → (row id, {"subject": …, "state": …}), by rising id."""

_readers: dict[str, Reader] = {}


class BadPosition(FeedError):
    """A position within a snapshot is not one we issued."""


@dataclass(frozen=True, slots=True)
class StatePage:
    """Subjects with their state, and where to go on; None at the end."""

    results: list[Item]
    next: str | None


def register(subject_kind: str, reader: Reader) -> None:
    """Let `reader` tell the state of this kind of subject; called once when an app is ready."""
    _readers[subject_kind] = reader


def read_state(kinds: Sequence[str], position: str, limit: int) -> StatePage:
    """Up to `limit` subjects of these kinds (all without any) behind the position.

    Raises UnknownSubject for a kind nobody tells of, BadPosition.
    """
    for kind in kinds:
        if kind not in _readers:
            raise UnknownSubject(kind)
    order = [kind for kind in _readers if not kinds or kind in kinds]
    kind, after = _decode(position) if position else (order[0] if order else "", 0)
    results: list[Item] = []
    for current in order[order.index(kind) :] if kind in order else []:
        after = after if current == kind else 0
        rows = _readers[current](after, limit - len(results))
        results += [item for _key, item in rows]
        if len(results) >= limit:
            return StatePage(results, _encode(current, rows[-1][0]))
    return StatePage(results, None)


def _encode(kind: str, after: int) -> str:
    return signing.Signer(salt=_SALT).sign_object((kind, after))


def _decode(text: str) -> tuple[str, int]:
    try:
        kind, after = signing.Signer(salt=_SALT).unsign_object(text)
    except (signing.BadSignature, ValueError):
        raise BadPosition("this position was not issued here") from None
    return kind, after
