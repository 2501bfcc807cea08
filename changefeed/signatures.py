"""Standard Webhooks signatures: signing what we send, verifying what others send us."""

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from changefeed.errors import BadSignature

TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"
_LONGEST_ID = 200
_MOST_SIGNATURES = 20


def new_secret() -> str:
    """A fresh signing secret of 256 bits, as receivers' libraries expect it: `whsec_…`."""
    return SECRET_PREFIX + base64.b64encode(randomness.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The HMAC key inside a `whsec_…` text; raises ValueError when it holds none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX) + "==")
    except binascii.Error:
        raise ValueError("a signing secret is base64 behind whsec_") from None
    if not key:
        raise ValueError("a signing secret may not be empty")
    return key


def sign(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> str:
    """Value of `webhook-signature`: one `v1,…` per key, so that a rotation overlaps."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys
    )


def verify(
    raw_body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    now: datetime,
    tolerance: int = TOLERANCE_SECONDS,
) -> str:
    """The message's id, once its signature over the exact bytes holds for one of the secrets.

    `tolerance` is in seconds either way of `now`, which the caller takes from the database: the
    published library goes by this machine's clock, which may be wrong, so it is not asked. Raises
    BadSignature for a missing header, a time too far off, or no secret that fits; also when there
    are no secrets at all.
    """
    named = {name.lower(): value for name, value in headers.items()}
    message_id = named.get("webhook-id", "")
    if not message_id or len(message_id) > _LONGEST_ID:
        raise BadSignature("webhook-id is missing or too long")
    stamp = _read_stamp(named.get("webhook-timestamp", ""))
    if abs(now.timestamp() - stamp) > tolerance:
        raise BadSignature("webhook-timestamp is too far from now")
    given = [one.encode() for one in named.get("webhook-signature", "").split()[:_MOST_SIGNATURES]]
    for key in _readable(secrets):
        expected = sign(message_id, stamp, raw_body, [key]).encode()
        if any(hmac.compare_digest(expected, one) for one in given):
            return message_id
    raise BadSignature("no secret fits the signature")


def _readable(secrets: Sequence[str]) -> Iterator[bytes]:
    for secret in secrets:
        with suppress(ValueError):
            yield key_of(secret)


def _read_stamp(stamp: str) -> int:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("webhook-timestamp is not a number of seconds")
    return int(stamp)
