"""The processes of a run: a receiver that lasts, and dispatchers that are stopped and killed."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.stage import ROOT

END_SECONDS = 20
_PR_SET_PDEATHSIG = 1
# Loaded here, for between fork and exec nothing may be.
_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends, where the kernel can."""
    with suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ReceiverProcess:
    """The receiver of all runs; `path` is the file of the present one, `ports` its endpoints."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.receiver"],
            cwd=ROOT,
            preexec_fn=die_with_parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self._control = int(self._process.stdout.readline())
        self.ports: dict[str, int] = {}
        self.path = Path(os.devnull)

    def begin(self, home: Path, secrets: dict[str, list[str]]) -> None:
        """Listen for the endpoints of a new run."""
        self.path = home / "receiver.jsonl"
        self.ports = self._ask({"begin": str(self.path), "secrets": secrets})["ports"]

    def finish(self) -> None:
        """Listen no more; everything is in the file."""
        self._ask({"finish": True})

    @property
    def answers(self) -> int:
        """How many requests have ended so far."""
        return self.path.read_bytes().count(b'"what": "ended"')

    def tell(self, endpoint: str, **wishes: Any) -> None:
        """Change an endpoint's `mode` (with `subjects`, `seconds`) or the `secrets` it holds."""
        self._ask({"endpoint": endpoint, **wishes})

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _ask(self, wishes: dict[str, Any]) -> Any:
        link = HTTPConnection("127.0.0.1", self._control, timeout=30)
        try:
            link.request("POST", "/", json.dumps(wishes), {"Content-Type": "application/json"})
            answer = link.getresponse()
            body = answer.read()
        finally:
            link.close()
        if answer.status != 200:
            raise RuntimeError(f"the receiver refused {wishes}: {body!r}")
        return json.loads(body)


class Nursery:
    """The process that forks dispatchers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.dispatcher"],
            cwd=ROOT,
            preexec_fn=die_with_parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def fork(self, **wishes: str) -> psutil.Process:
        """A new dispatcher."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(wishes) + "\n")
        self._process.stdin.flush()
        return psutil.Process(int(self._read()))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("dispatchers cannot be begun")
        return line


class Dispatchers:
    """Processes that deliver in one run: `manage.py drain`, or the same with something wrong."""

    def __init__(
        self, nursery: Nursery, home: Path, database: str, environment: dict[str, str], variant: str
    ) -> None:
        self._nursery = nursery
        self._home = home
        self._database = database
        self._environment = {**os.environ, **environment}
        self._variant = variant
        self._numbers = count(1)
        self.running: list[psutil.Process] = []
        self._others: list[psutil.Process] = []

    def start(self, *, clock: Path | None = None) -> psutil.Process:
        """One more dispatcher."""
        process = self._nursery.fork(
            database=self._database,
            log=str(self._log()),
            variant=self._variant,
            clock=str(clock or ""),
        )
        self.running.append(process)
        return process

    def start_command(self, *command: str) -> psutil.Process:
        """A process from its own command line, as in production."""
        process = self._spawn([sys.executable, "manage.py", *command])
        self.running.append(process)
        return process

    def start_celery(self, *command: str) -> psutil.Process:
        """A Celery process: `worker …` or `beat …`."""
        process = self._spawn([sys.executable, "-m", "celery", "--app", "config", *command])
        self._others.append(process)
        return process

    def kill(self, process: psutil.Process) -> None:
        """Signal 9, as the kernel would when memory runs out."""
        process.kill()
        process.wait(END_SECONDS)
        self.running.remove(process)

    def retire(self, process: psutil.Process) -> None:
        """Ask it to end, as an update of the product does."""
        self.running.remove(process)
        end([process])

    def close(self) -> None:
        """End all of them."""
        processes = [*self.running, *self._others]
        self.running.clear()
        self._others.clear()
        end(processes)

    def last_words(self) -> str:
        """The end of what each of them printed."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self._home.glob("dispatcher-*.log"))
        )

    def _log(self) -> Path:
        return self._home / f"dispatcher-{next(self._numbers)}.log"

    def _spawn(self, command: list[str]) -> psutil.Process:
        with self._log().open("wb") as words:
            return psutil.Popen(
                command,
                preexec_fn=die_with_parent,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
            )


def end(processes: list[psutil.Process]) -> None:
    """Ask processes to end, and kill what does not in END_SECONDS."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
            process.terminate()
    _gone, alive = psutil.wait_procs(processes, timeout=END_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=END_SECONDS)
