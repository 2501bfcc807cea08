"""API keys: making, finding and revoking them; the key itself is never stored."""

import hashlib
import hmac
import secrets
import time
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from changefeed.errors import KeyNameTaken, UnknownScope
from changefeed.models import ApiKey
from changefeed.signatures import new_secret

SCOPES = (
    "orders:read",
    "orders:write",
    "holds:release",
    "shipments:write",
    "service-changes:write",
    "returns:read",
    "returns:write",
    "rules:read",
    "rules:write",
    "feed:read",
    "feed:write",
)
CACHE_SECONDS = 2.0
_CACHE_LIMIT = 1000
_PREFIX_LENGTH = 13
_USE_WRITTEN_EVERY = timedelta(minutes=5)

_cache: dict[str, tuple[float, ApiKey]] = {}


def create_key(
    name: str, *, source: str, scopes: list[str], signed: bool = False
) -> tuple[ApiKey, str]:
    """A new key and its only appearance in plain text.

    A `signed` key gets a signing secret too; its writing calls are refused without a signature.
    Raises UnknownScope for a scope not in SCOPES and KeyNameTaken for a name in use.
    """
    key = ApiKey(name=name, source=source, scopes=scopes)
    if signed:
        key.signing_secret = new_secret()
    return key, issue_key(key)


def issue_key(key: ApiKey) -> str:
    """Save a filled-in but new ApiKey; its plain text. Raises like `create_key`."""
    unknown = sorted(set(key.scopes) - set(SCOPES))
    if unknown or not key.scopes:
        raise UnknownScope(", ".join(unknown))
    key.scopes = sorted(set(key.scopes))
    key.prefix = ("sk_" + secrets.token_hex(5))[:_PREFIX_LENGTH]
    plain = f"{key.prefix}_{secrets.token_urlsafe(32)}"
    key.hash = _hash(plain)
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            ApiKey.objects.filter(pk=key.pk).update(created_at=Now())
    except IntegrityError:
        raise KeyNameTaken(key.name) from None
    return plain


def revoke_key(key: ApiKey) -> None:
    """End a key; other processes follow within CACHE_SECONDS."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    key.refresh_from_db()
    _cache.clear()


def find_key(plain: str) -> ApiKey | None:
    """The live key with this plain text, or None; remembered for CACHE_SECONDS in this process."""
    digest = _hash(plain)
    known = _cache.get(digest)
    if known and known[0] > time.monotonic():
        return known[1]
    live = ApiKey.objects.filter(prefix=plain[:_PREFIX_LENGTH], revoked_at=None)
    key = live.annotate(asked_at=Now()).first()
    if key is None or not hmac.compare_digest(key.hash, digest):
        _cache.pop(digest, None)
        return None
    _note_use(key, key.asked_at)
    if len(_cache) >= _CACHE_LIMIT:
        _cache.clear()
    _cache[digest] = (time.monotonic() + CACHE_SECONDS, key)
    return key


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.last_used_at is None or key.last_used_at < now - _USE_WRITTEN_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_WRITTEN_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
