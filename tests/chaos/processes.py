"""The processes of one run: the receiver, and dispatchers that are stopped and killed."""

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

from tests.chaos.stage import ROOT


class ReceiverProcess:
    """The receiver; `path` is the file it writes, `ports` where its endpoints listen."""

    def __init__(self, home: Path, secrets: dict[str, list[str]]) -> None:
        self.path = home / "receiver.jsonl"
        self.path.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.receiver", str(self.path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"secrets": secrets}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        self.ports: dict[str, int] = told["ports"]
        self._control: int = told["control"]

    @property
    def answers(self) -> int:
        """How many requests have ended so far."""
        return self.path.read_bytes().count(b'"what": "ended"')

    def tell(self, endpoint: str, **wishes: Any) -> None:
        """Change an endpoint's `mode` (with `subjects`, `seconds`) or the `secrets` it holds."""
        link = HTTPConnection("127.0.0.1", self._control, timeout=20)
        try:
            link.request(
                "POST",
                "/",
                json.dumps({"endpoint": endpoint, **wishes}),
                {"Content-Type": "application/json"},
            )
            answer = link.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the receiver refused: {answer.read()!r}")
        finally:
            link.close()

    def close(self) -> None:
        end(self._process)


class Dispatchers:
    """Processes that deliver: `manage.py drain`, or the same with something wrong."""

    def __init__(self, home: Path, environment: dict[str, str], variant: str) -> None:
        self._home = home
        self._environment = {**os.environ, **environment}
        self._variant = variant
        self._numbers = count(1)
        self.running: list[subprocess.Popen[bytes]] = []
        self._others: list[subprocess.Popen[bytes]] = []

    def start(self, *, clock: Path | None = None) -> subprocess.Popen[bytes]:
        """One more dispatcher."""
        if self._variant or clock:
            command = ["-m", "tests.chaos.dispatcher"]
            command += ["--variant", self._variant] if self._variant else []
            command += ["--clock", str(clock)] if clock else []
        else:
            command = ["manage.py", "drain"]
        process = self._spawn(command)
        self.running.append(process)
        return process

    def start_celery(self, *command: str) -> subprocess.Popen[bytes]:
        """A Celery process: `worker …` or `beat …`."""
        process = self._spawn(["-m", "celery", "--app", "config", *command])
        self._others.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Signal 9, as the kernel would when memory runs out."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def retire(self, process: subprocess.Popen[bytes]) -> None:
        """Ask it to end, as an update of the product does."""
        self.running.remove(process)
        end(process)

    def close(self) -> None:
        """End all of them."""
        for process in [*self.running, *self._others]:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in [*self.running, *self._others]:
            end(process)
        self.running.clear()
        self._others.clear()

    def last_words(self) -> str:
        """The end of what each of them printed."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self._home.glob("dispatcher-*.log"))
        )

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        log = self._home / f"dispatcher-{next(self._numbers)}.log"
        with log.open("wb") as words:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
            )


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end, and kill it when it does not within fifteen seconds."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
