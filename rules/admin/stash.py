"""What one person looks at between two requests: a preview to confirm, a removal to undo."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.cache import cache

from rules.list_changes import NewEntry

SECONDS = 15 * 60
Wanted = dict[str, list[NewEntry]]


def put(user: AbstractBaseUser | AnonymousUser, kind: str, wanted: Wanted, **more: Any) -> str:
    """Keep entries by the key of their list for this person, and name them."""
    token = secrets.token_urlsafe(16)
    plain = {
        key: [(new.value, new.reason, _written(new.expires_at)) for new in entries]
        for key, entries in wanted.items()
    }
    cache.set(_key(user, kind, token), {"wanted": plain, **more}, SECONDS)
    return token


def get(
    user: AbstractBaseUser | AnonymousUser, kind: str, token: str
) -> tuple[Wanted, dict[str, Any]] | None:
    """What was kept under that name for this person; None once it is too old."""
    kept = cache.get(_key(user, kind, token))
    if kept is None:
        return None
    wanted = {
        key: [NewEntry(value, reason, _read(expires_at)) for value, reason, expires_at in entries]
        for key, entries in kept.pop("wanted").items()
    }
    return wanted, kept


def _key(user: AbstractBaseUser | AnonymousUser, kind: str, token: str) -> str:
    return f"rules:{kind}:{user.pk}:{token[:64]}"


def _written(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _read(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
