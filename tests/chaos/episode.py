"""One run: a fresh database, endpoints, dispatchers, a workload, one nemesis, and its history."""

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import connection, connections
from django.db.models import Max

from changefeed.keys import create_key
from changefeed.lifecycle import add_endpoint
from changefeed.metrics import endpoint_lags
from changefeed.models import Change
from changefeed.models import Endpoint as EndpointRow
from config.embedded.servers import wait_until
from tests.chaos import exporting, histories
from tests.chaos.histories import Fault, History, Sample
from tests.chaos.processes import Dispatchers, Nursery, ReceiverProcess
from tests.chaos.stage import Stage
from tests.chaos.variants import Variant
from tests.chaos.workload import Workload

# Targets of faults, the second of which takes batches; a witness that nothing happens to; one
# that wants only some kinds, and one that wants only the newest of a field.
TARGET, BATCHED, WITNESS, CHOOSY, NEWEST = "alpha", "batch", "beta", "gamma", "newest"
# The system whose edits come in, told of all orders but of what it said itself.
ORIGIN = "crm"
QUIET_SECONDS = 75.0
QUIET_SECONDS_WHEN_BROKEN = 12.0
FIRST_SECONDS = 45.0
SAMPLE_EVERY = 0.25
# Share of the nemesis' time that passes before it, to compare with.
CALM_BEFORE = 0.5


@dataclass(slots=True)
class Theatre:
    """What all runs share: servers, the receiver, and where dispatchers come from."""

    stage: Stage
    receiver: ReceiverProcess
    nursery: Nursery

    @classmethod
    @contextmanager
    def opened(cls, stage: Stage) -> "Iterator[Theatre]":
        with (
            closing(ReceiverProcess()) as receiver,
            closing(Nursery()) as nursery,
        ):
            yield cls(stage, receiver, nursery)


class Episode:
    """What a nemesis may touch. `seconds` is the time it has; `chance` its own randomness."""

    def __init__(
        self, theatre: Theatre, nemesis: Any, *, seed: str, seconds: float, variant: Variant | None
    ) -> None:
        self.stage = theatre.stage
        self.receiver = theatre.receiver
        self._nursery = theatre.nursery
        self.nemesis = nemesis
        self.seconds = seconds
        self.chance = random.Random(f"{seed}:nemesis")
        self.variant = variant
        self.home = (
            theatre.stage.home / "runs" / (f"variant-{variant.name}" if variant else nemesis.name)
        )
        self.database = ""
        self.workload = Workload(seed)
        self.history = History(nemesis=nemesis.name, dispatchers=nemesis.dispatchers)
        self.archive: dict[int, histories.Change] = {}
        self.secrets: dict[str, str] = {}
        self._is_over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    # -- its life -------------------------------------------------------------------------------

    def __enter__(self) -> "Episode":
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.database = self.stage.fresh_database()
        self._use(self.database)
        self._add_endpoints()
        environment = self.stage.environment(self.database)
        self.dispatchers = Dispatchers(
            self._nursery,
            self.home,
            self.database,
            environment,
            self.variant.name if self.variant else "",
        )
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self.workload.stop_writing()
        self.dispatchers.close()
        self.receiver.finish()
        if self._sampler.is_alive():
            self._sampler.join(10)
        self._use("sluice")
        self.stage.drop_database(self.database)

    def live(self) -> None:
        """Everything from the first write to the last look."""
        undo = self.variant.break_runner(self) if self.variant else None
        try:
            self.nemesis.prepare(self)
            self._start_dispatchers()
            self._begin()
            time.sleep(self.seconds * CALM_BEFORE)
            self.nemesis.act(self)
            self._come_to_rest()
        finally:
            if undo:
                undo()

    def _start_dispatchers(self) -> None:
        if self.nemesis.celery:
            worker = ("--concurrency", "2", "--without-gossip", "--without-mingle")
            self.dispatchers.start_celery("worker", *worker, "--loglevel", "WARNING")
            for _ in range(2):
                self.dispatchers.start_celery("beat", "--loglevel", "WARNING")
        elif self.nemesis.name == "calm" and not self.variant:
            for _ in range(self.nemesis.dispatchers):
                self.dispatchers.start_command("drain")
        else:
            for _ in range(self.nemesis.dispatchers):
                self.dispatchers.start()

    def _begin(self) -> None:
        """Write and pull, and return once the feed is seen to flow."""
        consumers = {
            name: create_key(name, source=name, scopes=["feed:read"])[1] for name in ("erp", "bi")
        }
        _key, sender = create_key(ORIGIN, source=ORIGIN, scopes=["feed:write"])
        connection.close()
        self._sampler.start()
        self.workload.start(consumers, sender)
        if not wait_until(lambda: self.receiver.answers > 20, FIRST_SECONDS):
            raise RuntimeError(f"nothing is delivered:\n{self.dispatchers.last_words()}")

    def _come_to_rest(self) -> None:
        """Stop writing, wait until nothing is pending and everything is pulled, look at it all."""
        patience = QUIET_SECONDS_WHEN_BROKEN if self.variant else QUIET_SECONDS
        self.workload.stop_writing()
        self.history.quiet = wait_until(lambda: self._pending() == 0, patience)
        if not self.workload.finish_pulling():
            self.history.quiet = False
        self._is_over.set()
        self.dispatchers.close()
        self.receiver.finish()
        history = self.history
        history.writes = self.workload.writes
        history.pages = self.workload.pages
        history.inbound = self.workload.inbound
        history.deliveries = exporting.deliveries_in(self.receiver.path)
        with self.stage.connect(self.database) as link:
            exporting.read_database(link, history, self.archive)

    # -- for nemeses ----------------------------------------------------------------------------

    @contextmanager
    def faulty_targets(self, mode: str, **wishes: Any) -> Iterator[None]:
        """Both targets misbehave within the block."""
        began = time.monotonic()
        for name in (TARGET, BATCHED):
            self.receiver.tell(name, mode=mode, **wishes)
        yield
        ended = time.monotonic()
        self.history.faults += [
            Fault("receiver", began, ended, name, detail=f"others answered: {mode}")
            for name in (TARGET, BATCHED)
        ]
        for name in (TARGET, BATCHED):
            self.receiver.tell(name, mode="ok")

    @contextmanager
    def fault(
        self, kind: str, *, endpoint: str = "", subject: str = "", detail: str = ""
    ) -> Iterator[None]:
        """Note that something was done between the beginning and the end of the block.

        The lanes' heads are looked at right after it, where a fault may lose knowledge.
        """
        began = time.monotonic()
        heads = None
        yield
        ended = time.monotonic()
        if kind in {"kill", "cut", "database down"}:
            heads = self.heads()
        self.history.faults.append(Fault(kind, began, ended, endpoint, subject, detail, heads))

    def heads(self) -> dict[str, int] | None:
        """First pending sequence of every lane by "endpoint subject"; None if unreachable."""
        with suppress(psycopg.Error), self.stage.connect(self.database) as link:
            rows = link.execute(
                "SELECT endpoint.name, subject_kind || ':' || subject_id, head_seq"
                " FROM changefeed_feedlane AS lane"
                " JOIN changefeed_endpoint AS endpoint ON endpoint.id = lane.endpoint_id"
            )
            return {f"{name} {subject}": int(str(head)) for name, subject, head in rows}
        return None

    def execute(self, statement: str, *parameters: Any) -> None:
        """Run one statement in the run's database."""
        with self.stage.connect(self.database) as link:
            link.execute(statement, parameters)

    def endpoint(self, name: str) -> EndpointRow:
        return EndpointRow.objects.get(name=name)

    def sleep(self, share: float) -> None:
        """Let this share of the nemesis' time pass."""
        time.sleep(self.seconds * share)

    # -- within ---------------------------------------------------------------------------------

    def _add_endpoints(self) -> None:
        wishes: dict[str, dict[str, Any]] = {
            TARGET: {},
            BATCHED: {"batch_size": 10},
            WITNESS: {},
            CHOOSY: {"kinds": ["probe.bulk"]},
            NEWEST: {"kinds": ["probe.*"], "coalesce": True},
            ORIGIN: {"kinds": ["order.*"], "source": ORIGIN},
        }
        rows = {
            name: EndpointRow(name=name, url="http://127.0.0.1:9/hook", concurrency=8, **wish)
            for name, wish in wishes.items()
        }
        self.secrets = {name: add_endpoint(row, actor="chaos") for name, row in rows.items()}
        self.receiver.begin(self.home, {name: [one] for name, one in self.secrets.items()})
        for name, port in self.receiver.ports.items():
            EndpointRow.objects.filter(name=name).update(url=f"http://127.0.0.1:{port}/hook")
        latest = Change.objects.aggregate(Max("seq"))["seq__max"] or 0
        self.history.endpoints = [
            histories.Endpoint(
                name, list(row.kinds), list(row.fields), row.source, latest, row.batch_size
            )
            for name, row in rows.items()
        ]

    def _use(self, database: str) -> None:
        """Point Django at another database; threads begun from now on follow."""
        connection.close()
        connections.settings["default"]["NAME"] = database
        connection.settings_dict["NAME"] = database

    def _pending(self) -> int:
        try:
            with self.stage.connect(self.database) as link:
                row = link.execute("SELECT count(*) FROM changefeed_feedlane").fetchone()
        except psycopg.Error:
            return -1
        return int(str(row[0])) if row else -1

    def _sample(self) -> None:
        """Note what the feed says about its lag, until the run is over."""
        while not self._is_over.wait(SAMPLE_EVERY):
            began = time.monotonic()
            try:
                lags = endpoint_lags()
            except DatabaseError:
                connection.close()
                continue
            at = time.monotonic()
            self.history.samples += [
                Sample(
                    one.name,
                    began,
                    at,
                    one.pending_lanes,
                    one.parked_lanes,
                    one.oldest_pending_seconds,
                    one.state,
                )
                for one in lags
            ]
        connection.close()


def keep(history: History, home: Path) -> Path:
    """Save the history beside what else was noted; where."""
    path = home / "history.jsonl"
    histories.save(history, path)
    return path
