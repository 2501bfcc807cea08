"""The users of the feed in one run: writers and pullers, each a thread that keeps notes."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.test import Client

from changefeed.recording import act_as, record_change
from orders.actors import SYSTEM
from orders.errors import OrderError
from orders.lifecycle.changing import change_order
from orders.lifecycle.placing import place_orders
from tests.chaos.histories import Inbound, Page, Write
from tests.chaos.prepare import PROBES
from tests.factories import order_document

SHARE_ROLLED_BACK = 0.12
SHARE_ASKED_AGAIN = 0.15
TITLES = ("杭州测试公司", "余杭贸易公司", "宁波百货", "")

# Written by nobody but who holds it open.
LAST = f"P{PROBES - 1:03d}"

Fetch = Callable[[str, str], tuple[int, bytes]]


class Undo(Exception):
    """The writer changes its mind at the end of its transaction."""


class Workload:
    """Threads that write and pull until stopped; `writes` and `pages` are their notes.

    `before_commit` is called inside every writing transaction with its token: a place for
    a broken variant to do what must not be done there.
    """

    def __init__(self, seed: str) -> None:
        self.writes: list[Write] = []
        self.pages: list[Page] = []
        self.inbound: list[Inbound] = []
        self._orders: list[str] = []
        self.before_commit: Callable[[str], None] = lambda _token: None
        self.fetch: Fetch = fetch_over_http
        self._seed = seed
        self._numbers = count(1)
        self._writers: list[threading.Thread] = []
        self._pullers: list[threading.Thread] = []
        self._stop_writing = threading.Event()
        self._writers_are_done = threading.Event()

    # -- starting and stopping ------------------------------------------------------------------

    def start(self, consumers: dict[str, str], sender: str) -> None:
        """Begin; `consumers` are keys of the pull API by name, `sender` is the CRM's key."""
        for number in range(3):
            self._writer(self._write_few, f"writer-{number}")
        self._writer(self._write_many, "bulk")
        self._writer(self._keep_shop, "shop")
        self._writer(lambda chance: self._send_in(chance, sender), "crm")
        for name, key in consumers.items():
            thread = threading.Thread(target=self._pull, args=(name, key), daemon=True)
            self._pullers.append(thread)
            thread.start()

    def stop_writing(self) -> None:
        """Let every writer finish its transaction."""
        self._stop_writing.set()
        for thread in self._writers:
            thread.join(60)

    def finish_pulling(self) -> bool:
        """Let every puller go on until it gets an empty page; whether all did."""
        self._writers_are_done.set()
        for thread in self._pullers:
            thread.join(60)
        return not any(thread.is_alive() for thread in self._pullers)

    def hold_open(self, seconds: float, probe: str = LAST) -> None:
        """A writing transaction that commits only after so long, while others go on."""
        self._write([probe], "probe.changed", lambda: time.sleep(seconds))

    def write_one(self, probe: str) -> None:
        """One version of one probe, committed at once."""
        self._write([probe], "probe.changed", lambda: None)

    def burst(self, versions: int) -> None:
        """So many versions of every probe, each round committed at once: deep lanes for all."""
        probes = [f"P{number:03d}" for number in range(PROBES - 1)]
        for _ in range(versions):
            self._write(probes, "probe.changed", lambda: None)

    def _writer(self, act: Callable[[random.Random], None], name: str) -> None:
        chance = random.Random(f"{self._seed}:{name}")

        def run() -> None:
            try:
                while not self._stop_writing.is_set():
                    act(chance)
            finally:
                connection.close()

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._writers.append(thread)
        thread.start()

    # -- writing --------------------------------------------------------------------------------

    def _write_few(self, chance: random.Random) -> None:
        """One to four versions of one probe; the last probe is for the long transaction."""
        versions = 1 if chance.random() < 0.7 else chance.randint(2, 4)
        # Few probes get most of the changes, so that lanes are extended while they are sent.
        probe = f"P{int(chance.random() ** 2 * (PROBES - 1)):03d}"
        self._write([probe] * versions, "probe.changed", _undoing(chance))
        self._stop_writing.wait(chance.uniform(0.0, 0.06))

    def _write_many(self, chance: random.Random) -> None:
        numbers = chance.sample(range(PROBES - 1), chance.randint(6, 16))
        probes = sorted(f"P{number:03d}" for number in numbers)
        self._write(probes, "probe.bulk", _undoing(chance))
        self._stop_writing.wait(chance.uniform(0.2, 0.8))

    def _write(self, probes: Sequence[str], kind: str, at_the_end: Callable[[], None]) -> None:
        """One transaction as the product writes: lock the subject, change it, record it."""
        token = f"t{next(self._numbers)}"
        subjects = [f"probe:{probe}" for probe in sorted(set(probes))]
        began = time.monotonic()
        outcome = "unknown"
        try:
            with transaction.atomic():
                act_as(f"user:{threading.current_thread().name}")
                for probe in probes:
                    _change_probe(probe, kind, token)
                self.before_commit(token)
                at_the_end()
            outcome = "committed"
        except Undo:
            outcome = "rolled_back"
        except DatabaseError:
            connection.close()
            time.sleep(0.1)
        self.writes.append(Write(token, began, time.monotonic(), outcome, subjects))

    def _keep_shop(self, chance: random.Random) -> None:
        """Take an order in and change it, by the product's own acts."""
        try:
            (placed,) = place_orders([order_document(f"C-{next(self._numbers):06d}")], actor=SYSTEM)
            self._orders.append(placed.number)
            for title in chance.sample(TITLES[:3], 2):
                change_order(
                    placed.number, version=None, fields={"invoice_title": title}, actor=SYSTEM
                )
        except (DatabaseError, psycopg.Error):
            connection.close()
        except OrderError:
            # Meanwhile the warehouse was asked to stop, or the CRM was quicker.
            pass
        self._stop_writing.wait(chance.uniform(0.3, 0.8))

    def _send_in(self, chance: random.Random, key: str) -> None:
        """An edit made in the CRM, sent up to four times at once, as after a time-out."""
        self._stop_writing.wait(chance.uniform(0.3, 0.9))
        if not self._orders:
            return
        message = {
            "id": f"crm-{next(self._numbers)}",
            "subject": {"kind": "order", "id": chance.choice(self._orders[-5:])},
            "changes": {"invoice_title": f"客户关系 {chance.randrange(1000)}"},
        }
        threads = [
            threading.Thread(target=self._call_in, args=(message, key))
            for _ in range(chance.randint(1, 4))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def _call_in(self, message: dict[str, Any], key: str) -> None:
        began = time.monotonic()
        status, outcome = None, ""
        try:
            answer = Client(raise_request_exception=False).post(
                "/api/v1/changes/",
                json.dumps(message),
                content_type="application/json",
                headers={"Authorization": f"Api-Key {key}"},
            )
            status = answer.status_code
            if status < 300:
                outcome = answer.json()["outcome"]
        except DatabaseError:
            pass
        finally:
            connection.close()
        subject = f"order:{message['subject']['id']}"
        self.inbound.append(
            Inbound("crm", message["id"], subject, began, time.monotonic(), status, outcome)
        )

    # -- pulling --------------------------------------------------------------------------------

    def _pull(self, name: str, key: str) -> None:
        """Page after page; sometimes the same again, as a consumer does that crashed."""
        chance = random.Random(f"{self._seed}:{name}")
        cursor = ""
        while True:
            is_last_look = self._writers_are_done.is_set()
            began = time.monotonic()
            status, body = self.fetch(key, cursor)
            if status != 200:
                time.sleep(0.2)
                continue
            page = json.loads(body)
            self.pages.append(
                Page(
                    name,
                    cursor,
                    page["next_cursor"],
                    hashlib.sha256(body).hexdigest(),
                    [one["id"] for one in page["results"]],
                    began,
                    time.monotonic(),
                )
            )
            if not page["results"]:
                if is_last_look:
                    break
                time.sleep(chance.uniform(0.02, 0.2))
            elif chance.random() >= SHARE_ASKED_AGAIN:
                cursor = page["next_cursor"]
        connection.close()


def fetch_over_http(key: str, cursor: str) -> tuple[int, bytes]:
    """One request to the pull API; status 0 when there was no answer."""
    client = Client(raise_request_exception=False)
    query = {"limit": "50", **({"cursor": cursor} if cursor else {})}
    try:
        answer = client.get("/api/v1/changes/", query, headers={"Authorization": f"Api-Key {key}"})
    except DatabaseError:
        connection.close()
        return 0, b""
    if answer.status_code != 200:
        connection.close()
    return answer.status_code, answer.content


def _undoing(chance: random.Random) -> Callable[[], None]:
    undo = chance.random() < SHARE_ROLLED_BACK

    def at_the_end() -> None:
        if undo:
            raise Undo

    return at_the_end


def _change_probe(probe: str, kind: str, token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM chaos_probe WHERE id = %s FOR UPDATE", (probe,))
        cursor.execute(
            "UPDATE chaos_probe SET version = version + 1, value = value + 7 WHERE id = %s"
            " RETURNING version, value",
            (probe,),
        )
        version, value = cursor.fetchone()
    new: dict[str, Any] = {"token": token, "value": value}
    record_change(
        kind,
        subject_kind="probe",
        subject_id=probe,
        subject_version=version,
        field="value",
        old=None,
        new=new,
    )
