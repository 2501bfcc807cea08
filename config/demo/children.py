"""The processes that one demo runs, and how each shows that it is ready."""

import json
import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from config.processes import Processes

HOST = "127.0.0.1"
WEB, WORKER, BEAT, STAND_INS = "web", "worker", "beat", "stand-ins"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demo's two servers listen."""

    web_port: int
    stand_ins_port: int

    @property
    def web(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @property
    def stand_ins(self) -> str:
        return f"http://{HOST}:{self.stand_ins_port}"


def start_servers(processes: Processes, addresses: Addresses, home: Path) -> None:
    """Start the web server and the stand-ins kept in `home`, and wait until both answer."""
    processes.start(STAND_INS, [sys.executable, "-m", "config.demo.standins", str(home)])
    processes.start(
        WEB,
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
            *("--host", HOST, "--port", str(addresses.web_port)),
            *("--workers", "2", "--blocking-threads", "4", "--log-level", "warning"),
            "config.wsgi:application",
        ],
    )
    processes.wait_until(STAND_INS, lambda: answers(addresses.stand_ins_port, "/state"))
    processes.wait_until(WEB, lambda: answers(addresses.web_port, "/readyz"))


def start_jobs(processes: Processes) -> None:
    """Start the Celery worker and beat; work waits for them, so nobody else has to."""
    celery = [sys.executable, "-m", "celery", "--app", "config"]
    worker = ("worker", "--concurrency", "2", "--without-gossip", "--without-mingle")
    processes.start(WORKER, [*celery, *worker, "--loglevel", "WARNING", "--hostname", "demo@%h"])
    processes.start(BEAT, [*celery, "beat", "--loglevel", "WARNING"])


def write_stand_ins(
    home: Path, addresses: Addresses, secrets: dict[str, str], api_key: str
) -> None:
    """Give the stand-ins an empty directory with their configuration, secrets included."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in home.iterdir():
        old.unlink()
    config = {
        "port": addresses.stand_ins_port,
        "secrets": secrets,
        "api": {"url": addresses.web, "key": api_key},
    }
    (home / "config.json").touch(mode=0o600)
    (home / "config.json").write_text(json.dumps(config))


def move_stand_ins(home: Path, addresses: Addresses) -> None:
    """Keep what the stand-ins have and know, at new addresses."""
    config = json.loads((home / "config.json").read_text())
    config["port"], config["api"]["url"] = addresses.stand_ins_port, addresses.web
    (home / "config.json").write_text(json.dumps(config))


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return call(port, "GET", path)[0] == 200
    except (OSError, HTTPException):
        return False


def call(port: int, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    """One request to a server of ours: status and body of the answer."""
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def stand_ins_state(addresses: Addresses) -> dict[str, Any]:
    """The figures of the stand-ins."""
    return dict(json.loads(call(addresses.stand_ins_port, "GET", "/state")[1]))


def switch(addresses: Addresses, system: str, *, on: bool) -> None:
    """Switch one of the stand-ins off or on."""
    call(addresses.stand_ins_port, "POST", f"/control/{system}", {"on": on})
