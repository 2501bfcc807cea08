"""Signed reports of a warehouse: forged, stale and replayed ones have no effect."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from changefeed.keys import create_key
from changefeed.models import ApiKey, Change
from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Shipment
from tests.factories import order_document
from tests.orders.calling import Caller, refused

PATH = "shipments/DY-1-1/events/"


class SignedCaller(Caller):
    """A key whose writing calls are signed the way the standard's own library does it."""

    def __init__(self) -> None:
        super().__init__("shipments:write", source="wms")
        ApiKey.objects.filter(pk=self.key.pk).delete()
        self.key, self.plain = create_key(
            "signing-wms", source="wms", scopes=["shipments:write"], signed=True
        )
        self.client.defaults["HTTP_AUTHORIZATION"] = f"Api-Key {self.plain}"
        self.client.headers = {"Accept-Language": "en"}

    def report(self, body: dict[str, Any], message: str, at: float | None = None) -> Any:
        text = json.dumps(body)
        return self.post(PATH, text, **self.signature(text, message, at))

    def signature(self, text: str, message: str, at: float | None = None) -> dict[str, str]:
        moment = datetime.fromtimestamp(at or time.time(), UTC)
        return {
            "Authorization": f"Api-Key {self.plain}",
            "webhook_id": message,
            "webhook_timestamp": str(int(moment.timestamp())),
            "webhook_signature": Webhook(self.key.signing_secret).sign(message, moment, text),
        }


@pytest.fixture
def wms(world: None) -> SignedCaller:
    """A warehouse about to pack DY-1."""
    Caller().place(order_document("DY-1"))
    assert dispatch_ready() == 1
    return SignedCaller()


def state() -> str:
    return str(Shipment.objects.get(number="DY-1-1").state)


def test_a_signed_report_counts_once_however_often_it_arrives(wms: SignedCaller) -> None:
    first = wms.report({"event": "picked"}, "msg-1")
    changes = Change.objects.count()
    again = wms.report({"event": "picked"}, "msg-1")

    assert (first.status_code, again.status_code) == (200, 200)
    assert state() == "picking"
    assert Change.objects.count() == changes


def test_replaying_an_old_report_later_changes_nothing(wms: SignedCaller) -> None:
    picked = {"event": "picked"}
    wms.report(picked, "msg-1")
    wms.report({"event": "shipped", "waybill": "SF1"}, "msg-2")

    assert wms.report(picked, "msg-1").status_code == 200
    assert state() == "shipped"


@pytest.mark.parametrize("skew", [-301, -3600, 301, 3600])
def test_a_clock_too_far_off_is_refused(wms: SignedCaller, skew: int) -> None:
    answer = wms.report({"event": "picked"}, "msg-1", at=time.time() + skew)
    refused(answer, 401)
    assert state() == "released"


def test_forged_and_missing_signatures_are_refused(wms: SignedCaller) -> None:
    body = json.dumps({"event": "picked"})
    good = wms.signature(body, "msg-1")
    forgeries = [
        (json.dumps({"event": "shipped"}), good),
        (body, {**good, "webhook_id": "msg-2"}),
        (body, {**good, "webhook_timestamp": str(int(time.time()) + 60)}),
        (body, {**good, "webhook_signature": "v1,AAAA"}),
        (body, {"Authorization": f"Api-Key {wms.plain}"}),
    ]
    for text, headers in forgeries:
        refused(wms.post(PATH, text, **headers), 401)
    assert state() == "released"
    assert wms.report({"event": "picked"}, "msg-1").status_code == 200
