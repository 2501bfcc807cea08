"""What a figure was measured on: machine, versions, and the CPU time of its processes."""

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg


def description(address: str) -> dict[str, str]:
    """Lines for the head of a report."""
    with psycopg.connect(address) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    memory = psutil.virtual_memory().total / 1024**3
    packages = ("Django", "djangorestframework", "psycopg", "granian", "orjson")
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {_processor()}, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": str(row[0]) if row else "",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """CPU time that the processes used so far."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def backends(database: str) -> list[psutil.Process]:
    """The PostgreSQL processes that serve clients of a database at the moment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, IndexError):
            title = process.cmdline()[0]
            if (
                title.startswith("postgres: ")
                and f" {database} " in title
                and " autovacuum " not in title
            ):
                found.append(process)
    return found


class Serving:
    """What serving a database's clients costs in CPU time from here on.

    A connection that ends meanwhile is left out, one that begins counts whole.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._before = self._now()

    def seconds(self) -> float:
        """CPU seconds since the beginning."""
        return sum(spent - self._before.get(pid, 0.0) for pid, spent in self._now().items())

    def _now(self) -> dict[int, float]:
        return {process.pid: cpu_seconds([process]) for process in backends(self._database)}


def past_backends_cpu(database: str) -> float:
    """CPU time of all PostgreSQL connections that have ended, whatever they served."""
    serving = backends(database)
    if not serving:
        return 0.0
    times = psutil.Process(serving[0].ppid()).cpu_times()
    return float(times.children_user + times.children_system)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


class Meter:
    """The share of the machine's CPU in use, by whatever, since the meter was made."""

    def __init__(self) -> None:
        self._begun = psutil.cpu_times()

    def busy(self) -> float:
        """From 0 to 1."""
        now = psutil.cpu_times()
        passed = sum(now) - sum(self._begun)
        idle = now.idle + now.iowait - self._begun.idle - self._begun.iowait
        return float(1 - idle / passed) if passed else 0.0
