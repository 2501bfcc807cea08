"""The change feed: one message a request, batches of 50, and a task with `requests` per event.

An event is one message to one endpoint; three endpoints get everything. Ours runs as two
`manage.py drain` processes, the naive one as two processes running its task.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from tests.bench.support import backlog, machine, report
from tests.bench.support.database import product_database, value
from tests.bench.support.sink import Sink, sink

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
DATABASE = "sluice_bench"
PROCESSES = 2
ENDPOINTS = 3
EVENTS = 100_000
BATCH = 50
CHANGES_PER_ORDER = 5
NAIVE_CHANGES = 500
WRITERS = 4
WRITES_PER_SECOND = 200
MANY_LANES = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """One way of delivering: how many events in how many seconds, and CPU time by where it went.

    `machine_busy` is the share of the whole machine's CPU in use meanwhile, by whatever.
    """

    name: str
    events: int
    seconds: float
    dispatcher_cpu: float
    database_cpu: float
    receiver_cpu: float
    machine_busy: float

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    def row(self) -> list[report.Cell]:
        each = 1e6 / self.events
        return [
            self.name,
            self.events,
            self.per_second,
            self.seconds,
            self.dispatcher_cpu * each,
            self.database_cpu * each,
            self.receiver_cpu * each,
            self.busy,
        ]

    @property
    def busy(self) -> float:
        """Cores kept busy by all of it."""
        return (self.dispatcher_cpu + self.database_cpu + self.receiver_cpu) / self.seconds

    def limit(self) -> str:
        """What kept it from going faster, in words."""
        cores = len(os.sched_getaffinity(0))
        shares = {
            "the sending processes": self.dispatcher_cpu,
            "PostgreSQL": self.database_cpu,
            "the receiver": self.receiver_cpu,
        }
        most = max(shares, key=lambda name: shares[name])
        used = ", ".join(f"{name} {cpu / self.seconds:.2f}" for name, cpu in shares.items())
        what = "waiting"
        if self.machine_busy > 0.9:
            is_ours = self.busy > 0.8 * cores
            what = "CPU" if is_ours else "CPU, which other work on the machine took"
        return f"{self.name}: limited by {what}; cores used: {used}; most by {most}"


def main() -> None:
    """Fill the feed, drain it in the three ways, then measure latency and claims."""
    chosen = report.arguments(__doc__ or "", seconds=20.0)
    chosen.add_argument("--events", type=int, default=EVENTS, help="size of the backlog")
    chosen.add_argument("--lanes", type=int, default=MANY_LANES, help="0 leaves claims out")
    chosen.add_argument("--profile", action="store_true", help="profile a dispatcher and end")
    options = chosen.parse_args()
    with product_database(DATABASE) as address, sink() as receiver:
        if options.profile:
            _profile(address, receiver, options.events)
            return
        result = _run(address, receiver, options.seconds, options.events)
    if options.lanes:
        from tests.bench.support import claims

        with product_database(DATABASE) as address:
            found = claims.growth(address, options.lanes)
        slowest = max(found["claim_many_ms"], found["claim_after_many_ms"])
        result.figures |= {"claim_growth": slowest / found["claim_few_ms"], **found}
    result.print(as_json=options.json)


def _run(address: str, receiver: Sink, seconds: float, events: int) -> report.Report:
    from tests.changefeed.rows import make_endpoint

    for number in range(ENDPOINTS):
        make_endpoint(name=f"endpoint {number}", url=receiver.url, state="paused")
    backlog.add_changes(address, events // ENDPOINTS // CHANGES_PER_ORDER)
    with dispatchers(address) as senders:
        single = _drain("ours, one a request", address, receiver, senders, batch_size=1)
        batched = _drain(f"ours, {BATCH} a request", address, receiver, senders, batch_size=BATCH)
    naive = _naive(address, receiver)
    backlog.refill(address, batch_size=1)
    with dispatchers(address):
        latencies = _latencies(address, receiver, seconds)
    figures = {
        "single_per_s": single.per_second,
        "batched_per_s": batched.per_second,
        "naive_per_s": naive.per_second,
        "over_naive": single.per_second / naive.per_second,
        "batched_over_naive": batched.per_second / naive.per_second,
        "backlog_s": single.seconds * 100_000 / single.events,
        "commit_to_receiver_p50_ms": report.percentile(latencies, 0.5) * 1000,
        "commit_to_receiver_p99_ms": report.percentile(latencies, 0.99) * 1000,
    }
    columns = ["", "events", "events/s", "seconds"]
    columns += ["sending µs/event", "database µs/event", "receiver µs/event", "cores"]
    kinds = (single, batched, naive)
    return report.Report(
        "feed",
        machine.description(address),
        figures,
        columns,
        [kind.row() for kind in kinds],
        [
            *(kind.limit() for kind in kinds),
            f"{ENDPOINTS} endpoints, {CHANGES_PER_ORDER} changes an order, {PROCESSES} sending "
            f"processes. Latency at {WRITES_PER_SECOND} transactions/s for {seconds:g} s.",
        ],
    )


@contextmanager
def dispatchers(address: str) -> Iterator[list[psutil.Process]]:
    """Two dispatchers as processes, up and idle."""
    from django.conf import settings

    env = {
        **os.environ,
        "DATABASE_URL": address,
        "BROKER_URL": "memory://",
        "CACHE_URL": settings.CACHES["default"]["LOCATION"],
        "SLUICE_FEED_ALLOW_PRIVATE_ADDRESSES": "1",
    }
    started = [
        subprocess.Popen([sys.executable, str(MANAGE), "drain"], env=env, stdout=subprocess.DEVNULL)
        for _ in range(PROCESSES)
    ]
    try:
        time.sleep(4)
        yield [psutil.Process(process.pid) for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _drain(
    name: str, address: str, receiver: Sink, senders: list[psutil.Process], *, batch_size: int
) -> Cost:
    """Everything pending, from the moment the endpoints may be sent to until the last arrived."""
    expected = backlog.refill(address, batch_size=batch_size)
    receiver.reset()
    sink_process = [psutil.Process(receiver.pid)]
    stored = machine.backends(DATABASE)
    before = [machine.cpu_seconds(part) for part in (senders, stored, sink_process)]
    ended = machine.past_backends_cpu(DATABASE)
    began, meter = time.monotonic(), machine.Meter()
    backlog.open_gates(address)
    arrived = receiver.wait_for(expected)
    busy = meter.busy()
    after = [
        machine.cpu_seconds(part) for part in (senders, machine.backends(DATABASE), sink_process)
    ]
    after[1] += machine.past_backends_cpu(DATABASE) - ended
    _wait_until_settled(address)
    if receiver.arrivals().messages != expected:
        raise RuntimeError(f"{name}: {receiver.arrivals().messages} messages of {expected}")
    used = [max(0.0, now - then) for now, then in zip(after, before, strict=True)]
    sending, storing, receiving = used
    return Cost(name, expected, arrived.last_at - began, sending, storing, receiving, busy)


def _wait_until_settled(address: str) -> None:
    while value(address, "SELECT count(*) FROM changefeed_feedlane"):
        time.sleep(0.05)


def _naive(address: str, receiver: Sink) -> Cost:
    """A part of the same changes, by processes that run the task one event after the other."""
    receiver.reset()
    first = value(address, "SELECT min(seq) FROM changefeed_change")
    env = {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "config.settings"}
    sink_process = [psutil.Process(receiver.pid)]
    received, ended = machine.cpu_seconds(sink_process), machine.past_backends_cpu(DATABASE)
    tasks = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.support.naive_feed"),
                str(first + number * NAIVE_CHANGES),
                str(first + (number + 1) * NAIVE_CHANGES - 1),
            ],
            env=env,
        )
        for number in range(PROCESSES)
    ]
    expected = PROCESSES * NAIVE_CHANGES * ENDPOINTS
    sending = [psutil.Process(task.pid) for task in tasks]
    while not receiver.arrivals().messages:
        time.sleep(0.01)
    began, begun_cpu = time.monotonic(), machine.cpu_seconds(sending)
    meter = machine.Meter()
    used = begun_cpu
    while receiver.arrivals().messages < expected * 0.95:
        used = machine.cpu_seconds(sending)
        time.sleep(0.05)
    done, busy = receiver.arrivals(), meter.busy()
    for task in tasks:
        if task.wait(60):
            raise RuntimeError("the naive task failed")
    return Cost(
        "naive, a task per event",
        done.messages,
        done.last_at - began,
        used - begun_cpu,
        machine.past_backends_cpu(DATABASE) - ended,
        machine.cpu_seconds(sink_process) - received,
        busy,
    )


def _latencies(address: str, receiver: Sink, seconds: float) -> list[float]:
    """Seconds from commit to arrival, at a steady pace of small writing transactions."""
    backlog.open_gates(address)
    _wait_until_settled(address)
    receiver.reset(marks=True)
    committed: dict[int, float] = {}
    marks = count(1)
    lock = threading.Lock()
    began = time.monotonic()
    total = round(seconds * WRITES_PER_SECOND)

    def write() -> None:
        from django.db import connection, transaction

        from changefeed.recording import act_as, record_change

        while True:
            with lock:
                mark = next(marks)
            if mark > total:
                connection.close()
                return
            time.sleep(max(0.0, began + mark / WRITES_PER_SECOND - time.monotonic()))
            with transaction.atomic():
                act_as("user:bench")
                record_change(
                    "order.address_changed",
                    subject_kind="order",
                    subject_id=f"L-{mark % 997:06d}",
                    subject_version=mark,
                    field="ship_to",
                    new={"mark": mark},
                )
            committed[mark] = time.monotonic()

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    arrived = receiver.wait_for(total * ENDPOINTS, 60)
    assert arrived.marks is not None
    return [max(0.0, at - committed[mark]) for mark, at in arrived.marks]


def _profile(address: str, receiver: Sink, events: int) -> None:
    """Where one dispatcher's time goes, in this process, for both kinds of requests."""
    import asyncio
    import cProfile
    import pstats

    from changefeed.dispatch.loop import drain
    from tests.changefeed.rows import make_endpoint

    make_endpoint(name="endpoint", url=receiver.url)
    backlog.add_changes(address, events // CHANGES_PER_ORDER)
    for batch_size in (1, BATCH):
        backlog.refill(address, batch_size=batch_size)
        backlog.open_gates(address)
        profile = cProfile.Profile()
        profile.runcall(asyncio.run, drain())
        print(f"--- {batch_size} a request")
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
