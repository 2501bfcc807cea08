"""What callers send never forges a log line, and keys and phones never stand in one."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from changefeed.models import ApiKey
from tests.factories import order_document
from tests.orders.calling import Caller, refused

pytestmark = pytest.mark.django_db

CANARY = "13912345678"
HOSTILE = [
    "a\r\n{}",
    'x\n{"event": "forged"}',
    "\x1b[31mred\x1b[0m",
    "\u2028\u2029\x85",
    "\x00\x07",
]


class Log:
    """Everything written to the log, as the console gets it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.records = 0

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def require_one_json_line_each(self) -> list[dict[str, Any]]:
        lines = self.text.split("\n")
        assert lines.pop() == ""
        assert len(lines) == self.records
        assert self.text.isascii()
        assert not any(ord(char) < 32 for char in self.text.replace("\n", ""))
        return [json.loads(line) for line in lines]


@pytest.fixture
def log() -> Iterator[Log]:
    """A second console with the formatter of the first, at the noisiest level."""
    log = Log()
    root = logging.getLogger()
    [formatter] = {
        handler.formatter for handler in root.handlers if handler.get_name() == "console"
    }
    handler = logging.StreamHandler(log.stream)
    handler.setFormatter(formatter)

    def count(record: logging.LogRecord) -> bool:
        log.records += 1
        return True

    handler.addFilter(count)
    levels = {name: logging.getLogger(name).level for name in ("", "django_structlog")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.INFO)
    yield log
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller()


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_headers_and_fields_stay_inside_one_json_line(
    shop: Caller, log: Log, payload: str
) -> None:
    document = order_document()
    names = ("number", "channel", "buyer_remark", "seller_remark", "invoice_title", "delivery_slot")
    for name in (*names, "livestream_room"):
        shop.place({**document, name: payload})
    shop.place({**document, "ship_to": {**document["ship_to"], "name": payload, "city": payload}})
    shop.place({**document, payload: payload})
    shop.post("orders/DY-1/cancel/", {"reason": payload})
    shop.get("orders/", {payload: payload, "channel": payload})
    headers = (
        *("Idempotency-Key", "If-Match", "User-Agent", "X-Forwarded-For", "X-Request-ID"),
        *("X-Correlation-ID", "Referer", "Accept", "Accept-Language", "Content-Type"),
        *("Authorization", "Host"),
    )
    for name in headers:
        shop.client.post(
            "/api/v1/orders/",
            json.dumps(document),
            content_type="application/json",
            headers={name: payload},
        )
    shop.client.get(f"/api/v1/{payload}/")

    entries = log.require_one_json_line_each()
    assert len(entries) > 10
    assert not any(entry.get("event") == "forged" for entry in entries)


def test_a_phone_stands_in_no_log_line_and_no_figure(shop: Caller, log: Log) -> None:
    forms = [CANARY, f"+86{CANARY}", f"86{CANARY}", f"+86 {CANARY}"]
    for number, form in enumerate(forms):
        person = {"name": "林婷", "phone": form}
        document = order_document(
            f"DY-{number}", ship_to=person, customer={"phone": form}, buyer_remark=f"tel {form}"
        )
        shop.place(document)
        shop.place({**document, "channel": form})
        shop.get(f"orders/DY-{number}/")
        shop.get("orders/", {"customer": form})
        shop.get(f"orders/{form}/")
        shop.post(f"orders/DY-{number}/cancel/", {"reason": form})

    log.require_one_json_line_each()
    assert CANARY not in log.text
    assert CANARY not in Client().get("/metrics").content.decode()


def test_a_failing_statement_does_not_spill_its_row_into_the_log(
    shop: Caller, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def violate(*args: Any, **kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders_customer (public_id, external_id, name, phone, phone_hash,"
                " crm_grade, is_employee, version, sign_for_rate)"
                " VALUES (gen_random_uuid(), 'X', '欧阳秘密', %s, '', '', false, 1, 7)",
                [f"+86{CANARY}"],
            )

    monkeypatch.setattr("orders.lifecycle.batches.upsert_customers", violate)

    refused(shop.place(order_document()), 500, "server_error")

    failures = [entry for entry in log.require_one_json_line_each() if "exception" in entry]
    assert any("sign_for_rate_is_a_share" in entry["exception"] for entry in failures)
    assert not any("欧阳秘密" in str(entry) or CANARY in str(entry) for entry in failures)


def test_the_key_stands_in_no_log_line_figure_or_cache(shop: Caller, log: Log) -> None:
    secret = shop.plain.partition("_")[2].partition("_")[2]
    shop.place(order_document())
    shop.get("orders/")
    shop.get("orders/", {"key": shop.plain})
    shop.get(f"orders/{shop.plain}/")
    shop.place(order_document(), Authorization=f"Api-Key {shop.plain}x")
    shop.place(order_document(), Authorization=f"Bearer {shop.plain}")

    log.require_one_json_line_each()
    assert secret not in log.text
    assert secret not in Client().get("/metrics").content.decode()
    stored = ApiKey.objects.filter(pk=shop.key.pk).values().get()
    assert secret not in str(stored)
    redis = cache._cache.get_client()  # type: ignore[attr-defined]
    assert not any(secret.encode() in name for name in redis.scan_iter(match="*"))


def test_the_key_is_not_taken_from_anywhere_but_its_header(shop: Caller) -> None:
    for answer in (
        Client().get("/api/v1/orders/", {"api_key": shop.plain, "Authorization": shop.plain}),
        Client(headers={"Cookie": f"Authorization=Api-Key {shop.plain}"}).get("/api/v1/orders/"),
        Client(headers={"X-Api-Key": shop.plain}).get("/api/v1/orders/"),
    ):
        refused(answer, 401, "not_authenticated")
