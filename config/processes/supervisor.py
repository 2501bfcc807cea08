"""Runs named processes together: logs, pid files, an orderly end, and an honest crash report."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from types import FrameType, TracebackType
from typing import IO

from config.processes.leftovers import MARK, claim, end_leftovers
from config.processes.signals import held_back


class ProcessFailed(Exception):
    """A process ended by itself or did not become ready; the message ends with its log's tail."""


@dataclass(slots=True)
class _Child:
    argv: list[str]
    env: dict[str, str]
    popen: subprocess.Popen[bytes]
    wanted: bool = True
    swept: bool = False


class Processes:
    """The processes of one demo, as a context manager; leaving it stops them all.

    Entering raises AlreadyRunning when another set works in the same data directory, and ends
    what a killed one left. Inside, SIGTERM and SIGHUP leave the block as SystemExit, Ctrl-C as
    KeyboardInterrupt; the processes have sessions of their own and do not see the terminal.
    """

    def __init__(self, data_dir: Path, *, grace_seconds: float = 10.0) -> None:
        self.data_dir = data_dir.resolve()
        self.grace_seconds = grace_seconds
        self._children: dict[str, _Child] = {}
        self._lock: IO[str] | None = None
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> "Processes":
        self._lock = claim(self.data_dir)
        end_leftovers(self.data_dir)
        (self.data_dir / "logs").mkdir(exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _leave)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop_all()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            if self._lock is not None:
                self._lock.close()

    def start(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
        """Start a process, its output in `logs/<name>.log`; its process number.

        `env` adds to our environment. Raises ValueError when the name is already running.
        """
        if self.is_running(name):
            raise ValueError(f"{name} is already running.")
        return self._spawn(name, list(argv), dict(env or {}), "wb")

    def restart(self, name: str) -> int:
        """Start a process that was killed or stopped once more, its log continued."""
        child = self._children[name]
        if self.is_running(name):
            self.stop(name)
        return self._spawn(name, child.argv, child.env, "ab")

    def kill(self, name: str) -> None:
        """kill -9 for the process and all its children, as a power cut would."""
        child = self._children[name]
        child.wanted = False
        self._sweep(child)
        self._pid_file(name).unlink(missing_ok=True)

    def stop(self, name: str) -> None:
        """Ask the process to end; kill it with its children after the grace."""
        self._stop([name])

    def stop_all(self) -> None:
        """Stop every process, the last started first; a second Ctrl-C kills at once."""
        self._stop(list(reversed(self._children)))

    def is_running(self, name: str) -> bool:
        """True while the process of this name lives."""
        child = self._children.get(name)
        return child is not None and child.popen.poll() is None

    def log(self, name: str) -> Path:
        """File with everything the process printed."""
        return self.data_dir / "logs" / f"{name}.log"

    def check(self) -> None:
        """Raise ProcessFailed when a process ended that nobody stopped."""
        for name, child in self._children.items():
            if child.wanted and (code := child.popen.poll()) is not None:
                child.wanted = False
                self._sweep(child)
                raise ProcessFailed(f"{name} ended with code {code}.\n{self._tail(name)}")

    def wait_until(self, name: str, ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Wait for a process to become ready, failing at once when it or another one ends."""
        deadline = monotonic() + seconds
        while not ready():
            self.check()
            if monotonic() > deadline:
                raise ProcessFailed(
                    f"{name} was not ready after {seconds:.0f} s.\n{self._tail(name)}"
                )
            sleep(0.1)

    def watch(self) -> None:
        """Stay until a signal ends the wait; raises ProcessFailed when a process ends."""
        while True:
            self.check()
            sleep(0.5)

    def _spawn(self, name: str, argv: list[str], env: dict[str, str], mode: str) -> int:
        # A Ctrl-C between the fork and our note of it would leave a process that nobody stops.
        with self.log(name).open(mode) as log, held_back():
            popen = subprocess.Popen(
                argv,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env, MARK: str(self.data_dir)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._children.pop(name, None)
            self._children[name] = _Child(argv, env, popen)
            self._pid_file(name).write_text(f"{popen.pid}\n")
        return popen.pid

    def _stop(self, names: list[str]) -> None:
        children = {name: self._children[name] for name in names}
        for child in children.values():
            child.wanted = False
            if child.popen.poll() is None:
                child.popen.terminate()
        deadline = monotonic() + self.grace_seconds
        try:
            for child in children.values():
                with suppress(subprocess.TimeoutExpired):
                    child.popen.wait(max(0.0, deadline - monotonic()))
        finally:
            for name, child in children.items():
                self._sweep(child)
                self._pid_file(name).unlink(missing_ok=True)

    def _sweep(self, child: _Child) -> None:
        """End whatever is left of the process's session and collect it."""
        # Once only: an empty group's number may be given to somebody else.
        if child.swept:
            return
        child.swept = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.popen.pid, signal.SIGKILL)
        child.popen.wait()

    def _pid_file(self, name: str) -> Path:
        return self.data_dir / "run" / f"{name}.pid"

    def _tail(self, name: str, lines: int = 20) -> str:
        text = self.log(name).read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"The end of {self.log(name)}:", *text])


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
