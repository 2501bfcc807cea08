"""Messages verify with the published library, ours and theirs; forged and stale ones do not."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from changefeed.errors import BadSignature
from changefeed.signatures import key_of, new_secret, sign, verify

BODY = '{"event":"picked","面单":1}'.encode()


def check(body: bytes, headers: dict[str, str], secrets: list[str]) -> str:
    return verify(body, headers, secrets, now=datetime.now(UTC))


def headers_for(secret: str, body: bytes = BODY, *, age: int = 0, message_id: str = "m-1"):
    stamp = int(time.time()) - age
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(stamp),
        "Webhook-Signature": sign(message_id, stamp, body, [key_of(secret)]),
    }


def test_our_signature_verifies_with_the_library_and_with_us():
    secret = new_secret()
    headers = headers_for(secret)

    assert Webhook(secret).verify(BODY, headers) == {"event": "picked", "面单": 1}
    assert check(BODY, headers, [new_secret(), secret]) == "m-1"


def test_a_body_changed_by_one_byte_is_refused():
    secret = new_secret()

    with pytest.raises(BadSignature):
        check(BODY + b" ", headers_for(secret), [secret])


def test_another_secret_or_none_is_refused():
    headers = headers_for(new_secret())

    for secrets in ([new_secret()], [], [""], ["whsec_"], ["not base64!"]):
        with pytest.raises(BadSignature):
            check(BODY, headers, secrets)


@pytest.mark.parametrize("age", [301, 86_400, -301])
def test_a_clock_too_far_off_is_refused(age):
    secret = new_secret()

    with pytest.raises(BadSignature):
        check(BODY, headers_for(secret, age=age), [secret])
    assert check(BODY, headers_for(secret, age=290), [secret]) == "m-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Webhook-Id", ""),
        ("Webhook-Id", "x" * 201),
        ("Webhook-Id", "m-2"),
        ("Webhook-Timestamp", ""),
        ("Webhook-Timestamp", "now"),
        ("Webhook-Timestamp", "1e9"),
        ("Webhook-Timestamp", "１７０００００００"),
        ("Webhook-Timestamp", "9" * 40),
        ("Webhook-Signature", ""),
        ("Webhook-Signature", "v1"),
        ("Webhook-Signature", "v1,"),
        ("Webhook-Signature", "v1,%%%"),
        ("Webhook-Signature", "v2,AAAA"),
        ("Webhook-Signature", "v1,a,b"),
    ],
)
def test_odd_headers_are_refused_as_such(name, value):
    secret = new_secret()
    headers = headers_for(secret) | {name: value}

    with pytest.raises(BadSignature):
        check(BODY, headers, [secret])
    headers.pop(name)
    with pytest.raises(BadSignature):
        check(BODY, headers, [secret])


def test_bytes_that_are_no_text_are_signed_like_any_other():
    secret = new_secret()
    headers = headers_for(secret, b"\xff\xfe")

    assert check(b"\xff\xfe", headers, [secret]) == "m-1"
    with pytest.raises(BadSignature):
        check(b"\xff\xff", headers, [secret])


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_time_is_what_the_caller_says_it_is_and_the_boundary_is_exact(hours):
    secret = new_secret()
    now = datetime.fromtimestamp(1_780_000_000, UTC)

    def signed(age: int) -> dict[str, str]:
        stamp = 1_780_000_000 - age
        signature = sign("m-1", stamp, BODY, [key_of(secret)])
        return {
            "webhook-id": "m-1",
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature,
        }

    assert verify(BODY, signed(300), [secret], now=now) == "m-1"
    assert verify(BODY, signed(-300), [secret], now=now) == "m-1"
    for age in (301, -301, hours * 3600):
        with pytest.raises(BadSignature):
            verify(BODY, signed(age), [secret], now=now)
    assert verify(BODY, signed(hours * 3600), [secret], now=now - timedelta(hours=hours)) == "m-1"
