"""Web servers under test, started as the demo starts the product's."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

from config.processes import free_port

HOST = "127.0.0.1"
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    pid: int
    log: Path


@contextmanager
def granian(
    name: str,
    preferred_port: int,
    env: dict[str, str],
    probe: str,
    application: str = "config.wsgi:application",
) -> Iterator[Server]:
    """Two workers of the application under these variables, ready once `probe` answers 200."""
    port = free_port(preferred_port, host=HOST)
    with tempfile.NamedTemporaryFile(prefix=f"sluice-bench-{name}-", suffix=".log") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
                *("--host", HOST, "--port", str(port)),
                *("--workers", "2", "--blocking-threads", "4", "--log-level", "warning"),
                application,
            ],
            env={**os.environ, **env},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port, probe, Path(log.name))
            yield Server(port, process.pid, Path(log.name))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def product(address: str, cache: str) -> dict[str, str]:
    """The environment of the product's server on this database; no limit for its one caller.

    The broker leads nowhere: a worker of somebody else's must not be sent for our orders.
    """
    return {
        "DATABASE_URL": address,
        "BROKER_URL": "memory://",
        "CACHE_URL": cache,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SLUICE_API_THROTTLE_PER_MINUTE": "1000000",
    }


def _wait(process: subprocess.Popen[bytes], port: int, probe: str, log: Path) -> None:
    deadline = monotonic() + READY_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            connection = HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", probe)
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        sleep(0.1)
    raise RuntimeError(f"the server did not become ready:\n{log.read_text()[-2000:]}")
