"""Attacks on what others tell us: forged, replayed, reordered, malformed, killed half-way."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from django.utils import timezone

from changefeed.keys import create_key
from changefeed.models import ApiKey, Change, FeedLane, Inbox
from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Customer, Order, StopRequest, TimelineEntry
from tests.factories import order_document
from tests.orders import test_api_secrecy
from tests.orders.calling import EVERY_ORDER_SCOPE, Caller, fields_of, refused
from tests.orders.test_api_inbound import MOVED, listen, told
from tests.orders.test_api_secrecy import HOSTILE, Log

pytestmark = pytest.mark.django_db

log = test_api_secrecy.log

ROOT = Path(__file__).resolve().parents[2]


class Signed:
    """A CRM whose writing calls are signed, byte by byte as the standard says."""

    def __init__(self) -> None:
        self.key, self.plain = create_key(
            "crm-signed", source="crm", scopes=["feed:write"], signed=True
        )
        self.client = Client(raise_request_exception=False, headers={"Accept-Language": "en"})

    def headers(self, body: bytes, message: str = "m-1", at: float | None = None) -> dict[str, str]:
        stamp = str(int(time.time() if at is None else at))
        secret = b64decode(self.key.signing_secret.removeprefix("whsec_"))
        signed = hmac.digest(secret, f"{message}.{stamp}.".encode() + body, hashlib.sha256)
        return {
            "authorization": f"Api-Key {self.plain}",
            "webhook-id": message,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + b64encode(signed).decode(),
        }

    def send(self, body: bytes, headers: dict[str, str]) -> Any:
        return self.client.post(
            "/api/v1/changes/", body, content_type="application/json", headers=headers
        )

    def tell(self, body: Any, at: float | None = None) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(raw, self.headers(raw, at=at))


@pytest.fixture
def crm(world: None) -> Signed:
    Caller().place(order_document("DY-1", paid_at=None))
    listen("wms")
    return Signed()


def seen() -> list[Any]:
    """All that a message could have changed, in the feed and in the orders."""
    models: tuple[Any, ...] = (Order, Customer, StopRequest, TimelineEntry, Inbox, Change, FeedLane)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# -- signatures ------------------------------------------------------------------------------------


def test_each_changed_byte_of_a_signed_call_is_refused(crm: Signed) -> None:
    body, before = json.dumps(told()).encode(), seen()
    good = crm.headers(body)
    signature = good["webhook-signature"]
    forged = [
        *((body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], good) for at in (0, 9, -9, -1)),
        (body + b" ", good),
        (b"\xef\xbb\xbf" + body, good),
        (b"", good),
        (body, good | {"webhook-id": "m-2"}),
        (body, good | {"webhook-id": ""}),
        (body, good | {"webhook-id": "m" * 201}),
        (body, good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        (body, good | {"webhook-timestamp": good["webhook-timestamp"] + ".0"}),
        (body, good | {"webhook-timestamp": "-" + good["webhook-timestamp"]}),
        (body, good | {"webhook-signature": "v1," + "A" * 44}),
        (body, good | {"webhook-signature": signature.replace("v1,", "v1a,")}),
        (body, good | {"webhook-signature": signature[3:]}),
        (body, good | {"webhook-signature": "v1, v1,, ,"}),
        (body, good | {"webhook-signature": "v1,x " * 20 + signature}),
        (body, {"authorization": good["authorization"]}),
    ]
    for text, headers in forged:
        problem = refused(crm.send(text, headers), 401, "authentication_failed")
        assert "signature" in problem["title"]
        assert crm.key.signing_secret[6:20] not in json.dumps(problem)

    assert seen() == before
    assert crm.send(body, good | {"webhook-signature": f"v1,x v2,y {signature}"}).status_code == 200


def test_another_keys_signature_is_none(crm: Signed) -> None:
    other, _plain = create_key("other", source="crm", scopes=["feed:write"], signed=True)
    body, before = json.dumps(told()).encode(), seen()
    mine = crm.key
    crm.key = other
    headers = crm.headers(body)
    crm.key = mine

    refused(crm.send(body, headers), 401)
    assert seen() == before


@pytest.mark.parametrize("age", [302, -302, 3600, -3600, 10**9])
def test_a_stamp_too_old_or_too_new_is_refused(crm: Signed, age: int) -> None:
    before = seen()

    refused(crm.tell(told(), at=max(0, time.time() - age)), 401)

    assert seen() == before
    assert crm.tell(told(), at=time.time() - (298 if age > 0 else -298)).status_code == 200


@pytest.mark.parametrize("hours", [-1, 1])
def test_freshness_goes_by_the_databases_clock(
    crm: Signed, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """This machine's clock is an hour off; the sender's is right, an attacker's call is old."""
    true_time, true_now = time.time, timezone.now
    before = seen()
    stale = true_time() + hours * 3600
    monkeypatch.setattr("time.time", lambda: true_time() + hours * 3600)
    monkeypatch.setattr("django.utils.timezone.now", lambda: true_now() + timedelta(hours=hours))

    refused(crm.tell(told(), at=stale), 401)
    assert seen() == before
    assert crm.tell(told(), at=true_time()).status_code == 200

    monkeypatch.undo()
    stamps = [
        *Inbox.objects.values_list("received_at", flat=True),
        *Change.objects.filter(kind="order.address_changed").values_list("at", flat=True),
        *ApiKey.objects.filter(pk=crm.key.pk).values_list("last_used_at", flat=True),
    ]
    assert len(stamps) == 3
    for stamp in stamps:
        assert stamp is not None
        assert abs((true_now() - stamp).total_seconds()) < 300


# -- replay and reorder ----------------------------------------------------------------------------


def test_the_same_signed_call_again_and_again_has_one_effect(crm: Signed) -> None:
    body = json.dumps(told()).encode()
    headers = crm.headers(body)
    first = crm.send(body, headers)
    before = seen()

    again = [crm.send(body, headers) for _ in range(3)]
    later = crm.send(body, crm.headers(body, "m-2"))

    assert first.json() == {"outcome": "applied", "version": 2, "repeated": False}
    for one in (*again, later):
        assert one.json() == first.json() | {"repeated": True}
    assert seen() == before


def test_a_replay_after_a_later_change_sets_nothing_back(crm: Signed) -> None:
    old = json.dumps(told("e-1")).encode()
    headers = crm.headers(old)
    crm.send(old, headers)
    crm.tell(told("e-2", changes={"ship_to": {"street": "解放路 2 号"}}))
    before = seen()

    assert crm.send(old, headers).json()["repeated"] is True
    refused(crm.tell(told("e-3", version=1, changes={"invoice_title": "甲公司"})), 409)
    refused(crm.tell(told("e-2", changes={"ship_to": MOVED})), 409, "different_body")

    assert seen() == before
    assert Order.objects.get().street == "解放路 2 号"


def test_messages_out_of_order_leave_the_newer_one(crm: Signed) -> None:
    """The second edit of version 2 arrives first; the first, made of version 1, comes too late."""
    crm.tell(told("e-1", version=1))
    assert crm.tell(told("e-3", version=2, changes={"invoice_title": "新"})).status_code == 200
    before = seen()

    late = crm.tell(told("e-2", version=2, changes={"invoice_title": "旧"}))

    assert refused(late, 409)["current_version"] == 3
    assert seen() == before


# -- malformed -------------------------------------------------------------------------------------


def _raw(changes: str) -> bytes:
    return (
        '{"id":"e-1","subject":{"kind":"order","id":"DY-1"},"changes":' + changes + "}"
    ).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"1e999", 400),
        (b"NaN", 400),
        (b"\xff\xfe", 400),
        (b'{"id":"e-1"', 400),
        (b"[" * 100_000, 400),
        (_raw('{"ship_to":' + "[" * 900 + "]" * 900 + "}"), 400),
        (_raw('{"ship_to":{"street":"\\ud800"}}'), 400),
        (_raw('{"ship_to":{"street":"\\udc00\\ud800"}}'), 400),
        (_raw('{"ship_to":{"street":"\\u0000"}}'), 422),
        (_raw('{"ship_to":{"street":"' + "长" * 300 + '"}}'), 422),
        (_raw('{"ship_to":{"street":5}}'), 422),
        (_raw('{"ship_to":{"street":null}}'), 422),
        (_raw('{"ship_to":{"street":["a"]}}'), 422),
        (_raw('{"ship_to":"a"}'), 422),
        (_raw('{"urgent":"yes please"}'), 422),
        (_raw('{"urgent":' + "9" * 400 + "}"), 400),
        (_raw('{"paid_at":"2999-01-01T00:00:00Z"}'), 422),
        (_raw('{"paid_at":"yesterday"}'), 422),
        (_raw('{"state":"cancelled"}'), 422),
        (_raw('{"version":1}'), 422),
        (_raw('{"__class__":"x"}'), 422),
        (_raw('{"a\\u0000b":"x"}'), 422),
        (_raw("{}"), 422),
        (_raw("[]"), 422),
        (b'{"id":"e-1","subject":"DY-1","changes":{"invoice_title":"x"}}', 422),
        (b'{"id":"e-1","subject":[],"changes":{"invoice_title":"x"}}', 422),
        (b'{"id":5,"subject":{"kind":"order","id":["DY-1"]},"changes":{"urgent":true}}', 422),
        (b'{"id":"\\u0000","subject":{"kind":"order","id":"DY-1"},"changes":{"urgent":true}}', 422),
        (b'{"id":" ","subject":{"kind":"order","id":"DY-1"},"changes":{"urgent":true}}', 422),
        (
            b'{"id":"e","subject":{"kind":"order","id":"DY-1\\u0000"},"changes":{"urgent":true}}',
            422,
        ),
        (b'{"id":"e","subject":{"kind":"ORDER","id":"DY-1"},"changes":{"urgent":true}}', 422),
        (b'{"id":"e","subject":{"kind":"order","id":"dy-1"},"changes":{"urgent":true}}', 404),
    ],
)
def test_a_malformed_message_is_explained_and_leaves_no_trace(
    crm: Signed, body: bytes, status: int
) -> None:
    before = seen()

    answer = crm.tell(body)

    problem = refused(answer, status)
    if status == 422:
        assert problem["errors"]
    assert seen() == before


def test_a_body_too_large_is_refused_before_its_signature_counts(
    crm: Signed, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    before = seen()

    signed = crm.tell(told(reason="x" * 20_000))
    unsigned = crm.send(b"x" * 20_000, {"authorization": f"Api-Key {crm.plain}"})

    for answer in (signed, unsigned):
        refused(answer, 413, "too_large")
    assert seen() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (_raw('{"invoice_title":"first","invoice_title":"last"}'), "invoice_title"),
        (_raw('{"invoice_title":"same","invoice_title":"same"}'), "invoice_title"),
        (_raw('{"ship_to":{"street":"a","city":"b","street":"c"}}'), "street"),
        (_raw('{"invoice_title":"a\\u003ab","invoice_title":"x"}'), "invoice_title"),
        (_raw('{"invoice_title":"x","invoice\\u005ftitle":"y"}'), "invoice_title"),
        (b'{"id":"e-1","id":"e-2","subject":{"kind":"order","id":"DY-1"},"changes":{}}', "id"),
    ],
)
def test_a_member_named_twice_is_refused_by_its_name(crm: Signed, body: bytes, name: str) -> None:
    """JSON leaves open which one counts: the signer may have meant the other."""
    before = seen()

    problem = refused(crm.tell(body), 400, "duplicate_member")

    assert problem["title"] == f"One object names the member “{name}” twice; send it once."
    assert seen() == before
    assert crm.tell(_raw('{"invoice_title":"last"}')).json()["outcome"] == "applied"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "orders/"),
        ("POST", "orders/bulk/"),
        ("PATCH", "orders/DY-1/"),
        ("POST", "orders/DY-1/cancel/"),
        ("POST", "orders/DY-1/holds/1/release/"),
        ("POST", "shipments/DY-1-1/events/"),
        ("POST", "rules/evaluate/"),
        ("POST", "returns/"),
    ],
)
def test_every_call_with_a_body_refuses_a_member_named_twice(
    crm: Signed, method: str, path: str
) -> None:
    scopes = ("rules:read", "returns:read", "returns:write")
    caller, before = Caller(*EVERY_ORDER_SCOPE, *scopes), seen()

    send = caller.patch if method == "PATCH" else caller.post
    answer = send(path, '{"orders":[{"number":"B-1","number":"B-2"}]}', If_Match='"1"')

    assert "“number”" in refused(answer, 400, "duplicate_member")["title"]
    assert seen() == before


def test_every_field_of_an_answer_posted_back_is_refused(crm: Signed) -> None:
    """What an order shows is not what may be written (money, state, routing, who acted)."""
    shown = Caller("orders:read").get("orders/DY-1/").json()
    before = seen()

    refused(crm.tell(told(changes=shown)), 422)
    for name, value in shown.items():
        if name not in {"ship_to", "invoice_title", "delivery_slot", "buyer_remark"} | {
            *("seller_remark", "urgent", "paid_at")
        }:
            answer = crm.tell(told(changes={name: value}))
            assert fields_of(refused(answer, 422)) == {(name, "extra_forbidden")}
    for name in ("actor", "source", "version", "at", "verison"):
        assert fields_of(refused(crm.tell(told() | {name: 1}), 422)) == {(name, "unknown_field")}
    misspelt = told()
    misspelt["subject"]["verison"] = 1  # would be taken without looking at the version
    assert fields_of(refused(crm.tell(misspelt), 422)) == {("subject.verison", "unknown_field")}
    assert seen() == before


# -- killed half-way -------------------------------------------------------------------------------

_CHILD = """
import os, signal, sys
import django
django.setup()
from django.test import Client
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
def then_die(act):
    def inner(*args, **kwargs):
        act(*args, **kwargs)
        die()
    return inner
if sys.argv[1] == "before the commit":
    import orders.inbound
    orders.inbound.change_order = then_die(orders.inbound.change_order)
else:
    import changefeed.api.views
    changefeed.api.views.take = then_die(changefeed.api.views.take)
import json
body, headers = json.loads(sys.stdin.read())
Client().post("/api/v1/changes/", body, content_type="application/json", headers=headers)
"""


def _killed(moment: str, body: bytes, headers: dict[str, str]) -> None:
    """Take the message in a process that is killed at that moment."""
    given = connection.settings_dict
    query = f"host={quote(given['HOST'], safe='')}&port={given['PORT']}"
    account = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, moment],
        cwd=ROOT,
        input=json.dumps([body.decode(), headers]).encode(),
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"postgresql://{account}@/{given['NAME']}?{query}",
            "BROKER_URL": configured.CELERY_BROKER_URL,
            "CACHE_URL": configured.CACHES["default"]["LOCATION"],
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_message_whose_taker_was_killed_counts_once_when_sent_again(
    crm: Signed, moment: str
) -> None:
    """The warehouse has the order: change, stop request and the word to the warehouse come once."""
    Caller().place(order_document("DY-2"))
    assert dispatch_ready() == 1
    body = json.dumps(told(number="DY-2")).encode()
    headers = crm.headers(body)
    before = seen()

    _killed(moment, body, headers)

    if moment == "before the commit":
        assert seen() == before
    answers = [crm.send(body, headers) for _ in range(2)]

    is_taken = moment == "after the commit"
    assert [one.status_code for one in answers] == [202, 202]
    assert [one.json()["repeated"] for one in answers] == [is_taken, True]
    assert StopRequest.objects.count() == 1
    assert Inbox.objects.count() == 1
    assert Change.objects.filter(kind="shipment.freeze_requested").count() == 1


# -- logs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_in_a_message_forges_no_log_line(
    crm: Signed,
    log: Log,
    payload: str,
) -> None:
    for number, body in enumerate(
        [
            told(message=payload),
            told(number=payload),
            told(kind=payload),
            told(reason=payload, changes={"invoice_title": payload}),
            told(changes={payload: payload}),
            told(changes={"ship_to": {"phone": payload, "name": payload}}),
        ]
    ):
        raw = json.dumps(body).encode()
        crm.send(raw, crm.headers(raw, f"m-{number}"))
        crm.send(raw, crm.headers(raw) | {"webhook-signature": "v1," + quote(payload)})

    entries = log.require_one_json_line_each()
    assert entries
    assert not any(entry.get("event") == "forged" for entry in entries)
    assert crm.key.signing_secret[6:] not in log.text
    assert crm.plain[14:] not in log.text
