"""Canaries: personal data and secrets through all of the feed, found only where they belong."""

import html
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import apprise
import pytest
from aiohttp import web
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client

from changefeed import tasks, watching
from changefeed.dispatch import ledger
from changefeed.keys import create_key
from changefeed.lifecycle import retire_secrets, rotate_secret
from changefeed.models import AlertDigest, ApiKey, Attempt, Change, Endpoint, FeedLane, Replay
from tests.changefeed.admin_pages import SUBMITTED, client_of, park, role
from tests.changefeed.conftest import drain_once, make_all_due
from tests.changefeed.rows import make_endpoint
from tests.factories import order_document
from tests.orders import test_api_secrecy
from tests.orders.calling import Caller
from tests.orders.test_api_secrecy import Log
from tests.orders.test_threats_feed import Signed

pytestmark = pytest.mark.django_db(transaction=True)

log = test_api_secrecy.log

PHONE, OTHER_PHONE = "13912345678", "15987654321"
NAME, OTHER_NAME = "欧阳金丝雀", "司马夜莺"
STREET, OTHER_STREET = "金丝雀巷 77 弄", "夜莺路 88 号"
PERSONAL = (PHONE, OTHER_PHONE, NAME, OTHER_NAME, STREET, OTHER_STREET)
TOKEN = "canary-token-in-the-query"


def written(values: Any) -> set[str]:
    """Every form in which the values might stand somewhere."""
    return {
        form
        for value in values
        for form in (value, json.dumps(value)[1:-1], value.replace("/", "\\/"), quote(value))
        if len(value) > 5 or not value.isascii()
    }


def require_silence(text: str, values: Any, where: str) -> None:
    found = sorted(one for one in written(values) if one in text)
    assert not found, (where, found)


class Desk:
    """A shop with orders of two people, an endpoint that echoes, and a signed CRM."""

    def __init__(self, receiver: Any, **fields: Any) -> None:
        self.endpoint = make_endpoint(url=f"{receiver.url}?token={TOKEN}", name="echo", **fields)
        self.old = self.endpoint.secrets[0]
        self.new = rotate_secret(self.endpoint, actor="user:root")
        self.endpoint.refresh_from_db()
        self.crm = Signed()
        self.puller = Caller("feed:read", "orders:read", source="erp")
        people = ((NAME, PHONE, STREET), (OTHER_NAME, OTHER_PHONE, OTHER_STREET))
        for number, (name, phone, street) in enumerate(people, start=1):
            place = order_document()["ship_to"]
            person = {"name": name, "phone": phone}
            Caller().place(
                order_document(
                    f"DY-{number}", ship_to=place | person | {"street": street}, customer=person
                )
            )

    @property
    def secrets(self) -> set[str]:
        key = self.crm.key.signing_secret
        whole = {self.old, self.new, key, self.crm.plain[14:], self.puller.plain[14:], TOKEN}
        # Also the longest parts between the slashes of base64, at which a masking may stop.
        return whole | {part for one in (self.old, self.new, key) for part in _parts(one)}


def _parts(secret: str) -> list[str]:
    return [part for part in re.split(r"[/+=_]", secret) if len(part) > 7]


@pytest.fixture
def desk(world: None, receiver: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Desk]:
    def open_desk(*, ascii_only: bool = False, **fields: Any) -> Desk:
        one = Desk(receiver, **fields)

        async def behave(request: web.Request, delivery: Any) -> web.StreamResponse:
            said = {
                "secrets": [one.old, one.new],
                "path": request.path_qs,
                "you sent": delivery.body.decode()[-1500:],
            }
            return web.Response(status=500, text=json.dumps(said, ensure_ascii=ascii_only))

        receiver.behaviour = behave
        # The receiver runs in this process; what it logs is not ours.
        monkeypatch.setattr(logging.getLogger("aiohttp.access"), "disabled", True)
        return one

    return open_desk


def everything_stored_about_requests() -> str:
    return str(list(Attempt.objects.values())) + str(
        list(Endpoint.objects.values("state_reason", "name"))
    )


@pytest.mark.parametrize(
    ("ascii_only", "fields"),
    [(False, {}), (True, {}), (False, {"batch_size": 50}), (True, {"batch_size": 50})],
    ids=["text", "ascii", "batch", "ascii batch"],
)
def test_a_receiver_that_echoes_all_it_got_makes_nothing_known(
    desk,
    log: Log,
    settings,
    monkeypatch,
    ascii_only,
    fields,
) -> None:
    """Place, deliver in vain, ping, park, alert, replay, pull and tell; then look everywhere."""
    told: list[str] = []

    def notify(_services: Any, **said: Any) -> bool:
        told.append(str(said))
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    settings.ALERT_URLS = ["json://localhost"]
    settings.FEED_ALERT_LAG_SECONDS = 0
    sent_to_broker: list[str] = []
    monkeypatch.setattr(
        tasks.drain_feed, "apply_async", lambda *args, **kw: sent_to_broker.append(str((args, kw)))
    )
    monkeypatch.setattr(tasks, "_nudged_at", 0.0)
    one = desk(ascii_only=ascii_only, **fields)

    drain_once()
    make_all_due()
    drain_once()
    superuser = client_of(User.objects.create_superuser("root"))
    base = f"/admin/changefeed/endpoint/{one.endpoint.pk}"
    pinged = superuser.post(f"{base}/ping/", headers={"accept": "application/json"})
    superuser.post(f"{base}/ping/", headers={"accept": "text/html"})
    for lane in FeedLane.objects.all():
        park(lane)
    watching.watch()
    tasks.nudge()
    with tasks._nudging:
        pass
    one.crm.tell(_moved("DY-1"))
    one.crm.tell(_moved("DY-404"))
    one.crm.send(b"{}", one.crm.headers(b"x"))
    pulled = one.puller.get("changes/", {"limit": 500}).content.decode()
    operations, supervisor = role("operations"), role("supervisor")
    replayed = operations.post(
        f"{base}/replay/",
        {"scope": "all", "key": "00000000-0000-4000-8000-000000000001", "reason": "again"},
    )

    assert replayed.status_code == 302
    assert Attempt.objects.filter(status=500).count() > 2
    assert NAME in json.dumps(json.loads(pulled), ensure_ascii=False), "where it belongs"
    # Secrets: nowhere, for nobody.
    require_silence(everything_stored_about_requests(), one.secrets, "attempts")
    require_silence(pinged.content.decode(), one.secrets, "answer to a ping")
    sessions = str([row.get_decoded() for row in Session.objects.all()])
    require_silence(sessions, {*one.secrets, *PERSONAL}, "sessions")
    require_silence(pulled, one.secrets, "pulled page")
    # Personal data and secrets: in none of what people and machines are told on the side.
    hidden = {*one.secrets, *PERSONAL}
    log.require_one_json_line_each()
    require_silence(log.text, hidden, "log")
    require_silence(Client().get("/metrics").content.decode(), hidden, "metrics")
    assert told, "an alert was sent"
    require_silence(str(told) + str(list(AlertDigest.objects.values())), hidden, "alerts")
    require_silence(str(sent_to_broker), hidden, "broker")
    require_silence(str(list(LogEntry.objects.values())), hidden, "admin log")
    redis = cache._cache.get_client()  # type: ignore[attr-defined]
    names = [name.decode(errors="replace") for name in redis.scan_iter(match="*")]
    require_silence(str(names), hidden, "cache")
    for client in (operations, supervisor, superuser):
        for path in _pages(one.endpoint):
            response = client.get(path)
            if response.status_code == 403:
                continue
            shown = response.content.decode()
            is_form = client is superuser and path.endswith(f"endpoint/{one.endpoint.pk}/change/")
            require_silence(shown, hidden - ({TOKEN} if is_form else set()), path)
            require_silence(str(response.cookies), hidden, f"cookies of {path}")


def _moved(number: str) -> dict[str, Any]:
    return {
        "id": f"e-{number}",
        "subject": {"kind": "order", "id": number},
        "changes": {"ship_to": {"name": OTHER_NAME, "phone": OTHER_PHONE}},
        "reason": f"{NAME} rang from {PHONE}",
    }


def _pages(endpoint: Endpoint) -> list[str]:
    """Every list, and every row's own page."""
    base = "/admin/changefeed"
    found = [f"{base}/endpoint/{endpoint.pk}/replay/?scope=all", f"{base}/endpoint/preview/"]
    for model in (Endpoint, FeedLane, Attempt, Change, ApiKey, Replay):
        name = model._meta.model_name
        found.append(f"{base}/{name}/")
        for pk in model.objects.values_list("pk", flat=True).order_by("-pk")[:12]:
            found += [f"{base}/{name}/{pk}/change/", f"{base}/{name}/{pk}/history/"]
    return [*found, f"{base}/pullcursor/"]


def test_revealing_shows_people_but_never_a_secret(desk) -> None:
    one = desk(batch_size=50)
    drain_once()
    superuser = client_of(User.objects.create_superuser("root"))
    attempt = Attempt.objects.latest("pk")

    shown = superuser.post(f"/admin/changefeed/attempt/{attempt.pk}/reveal/").content.decode()

    assert "***" in shown
    require_silence(shown, one.secrets, "revealed attempt")
    assert PHONE not in str(list(LogEntry.objects.values()))


def test_a_new_secret_and_a_new_key_are_in_no_cookie_log_or_later_page(log: Log, world) -> None:
    endpoint = make_endpoint(name="WMS")
    superuser = client_of(User.objects.create_superuser("root"))

    rotated = superuser.post(f"/admin/changefeed/endpoint/{endpoint.pk}/rotate_secret/", SUBMITTED)
    made = superuser.post(
        "/admin/changefeed/apikey/add/", {"name": "ERP", "source": "erp", "scopes": ["feed:read"]}
    )
    endpoint.refresh_from_db()
    once = superuser.get(made["Location"]).content.decode()
    found = re.search(r"sk_[0-9a-f]{10}_([A-Za-z0-9_-]{43})", once)
    assert found
    assert html.escape(endpoint.secrets[0]) in once
    secrets = {found[1], *endpoint.secrets, *_parts(endpoint.secrets[0])}

    require_silence(str(rotated.cookies) + str(made.cookies), secrets, "cookies")
    require_silence(str(superuser.cookies), secrets, "the browser's cookies")
    # A cookie of messages is packed, not sealed: whoever holds it can read it.
    assert set(superuser.cookies) <= {"sessionid", "csrftoken"}
    require_silence(superuser.get(made["Location"]).content.decode(), secrets, "later page")
    require_silence(str([one.get_decoded() for one in Session.objects.all()]), secrets, "sessions")
    require_silence(str(list(LogEntry.objects.values())), secrets, "admin log")
    log.require_one_json_line_each()
    require_silence(log.text, secrets, "log")
    dropped = retire_secrets(endpoint, actor="user:root")
    assert dropped == 1


def test_a_dispatcher_whose_attempts_cannot_be_stored_logs_no_row(
    desk,
    log: Log,
    monkeypatch,
) -> None:
    one = desk()

    async def refuse(connection: Any, attempts: Any) -> None:
        if attempts:
            raise DatabaseError(f'violates "c"\nDETAIL:  Failing row contains ({NAME}\n{STREET}).')

    monkeypatch.setattr(ledger, "log_attempts", refuse)
    drain_once()

    entries = log.require_one_json_line_each()
    assert any(entry["event"] == "feed.attempts_lost" for entry in entries)
    require_silence(log.text, {*one.secrets, *PERSONAL}, "log")


def test_a_statement_that_fails_while_a_message_is_taken_spills_nothing(
    desk,
    log: Log,
    monkeypatch,
) -> None:
    one = desk()

    def violate(*_args: Any, **_kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders_customer (public_id, external_id, name, phone, phone_hash,"
                " crm_grade, is_employee, version, sign_for_rate)"
                " VALUES (gen_random_uuid(), 'X', %s, %s, '', '', false, 1, 7)",
                [f"{NAME}\n{STREET}", f"+86{PHONE}"],
            )

    monkeypatch.setattr("orders.inbound.change_order", violate)

    answer = one.crm.tell(_moved("DY-1"))

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:sluice:server_error"
    entries = log.require_one_json_line_each()
    assert any("sign_for_rate_is_a_share" in str(entry.get("exception")) for entry in entries)
    require_silence(log.text, {*one.secrets, *PERSONAL}, "log")


@pytest.mark.parametrize("payload", ["a\r\n{}", '\x1b[31mred\n{"event": "forged"}', "x\u2028\x85"])
def test_hostile_answers_names_and_reasons_stay_inside_one_json_line(
    receiver,
    log: Log,
    world,
    payload,
) -> None:
    async def hostile(request: web.Request, delivery: Any) -> web.StreamResponse:
        return web.Response(status=410, text=payload, headers={"Retry-After": "1"})

    receiver.behaviour = hostile
    endpoint = make_endpoint(url=receiver.url, name=f"n{payload}")
    Caller().place(order_document())
    drain_once()
    superuser = client_of(User.objects.create_superuser("root"))
    base = f"/admin/changefeed/endpoint/{endpoint.pk}"
    for act in ("pause", "resume", "ping", "rotate_secret", "remove"):
        superuser.post(f"{base}/{act}/", {**SUBMITTED, "reason": payload})
    _key, plain = create_key(f"k{payload}", source=payload, scopes=["feed:read"])
    Client(headers={"authorization": f"Api-Key {plain}"}).get("/api/v1/changes/")
    watching.watch()

    entries = log.require_one_json_line_each()
    assert {"endpoint paused", "endpoint pinged", "endpoint removed"} <= {
        entry["event"] for entry in entries
    }
    assert not any(entry.get("event") == "forged" for entry in entries)
    assert not Endpoint.objects.exists()
