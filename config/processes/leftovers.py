"""Telling a running set of processes from the remains of a killed one, and ending either."""

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from config import embedded

# Every supervised process and its children carry this variable, so that a process number used
# again by somebody else is never mistaken for one of ours.
MARK = "SLUICE_SUPERVISED_IN"


class AlreadyRunning(Exception):
    """Another supervisor is at work in this data directory; `pid` is its process number."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"Already running as process {pid}. Stop it with: make stop")
        self.pid = pid


def claim(data_dir: Path) -> IO[str]:
    """Become the only supervisor of this data directory until the file returned is closed.

    Raises AlreadyRunning. A supervisor that was killed does not count.
    """
    (data_dir / "run").mkdir(parents=True, exist_ok=True)
    lock = (data_dir / "run" / "supervisor.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = int(lock.read().strip() or 0)
        lock.close()
        raise AlreadyRunning(pid) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def end_leftovers(data_dir: Path, *, grace_seconds: float = 10.0) -> list[str]:
    """End what a killed supervisor of this data directory left running; their command lines."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in spared and process.environ().get(MARK) == str(data_dir):
                found.append((process, " ".join(process.cmdline())))
    # Leaders end their own children in good order; whoever is left is ended without asking.
    for process, _ in found:
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == process.pid:
                process.terminate()
    _, alive = psutil.wait_procs([process for process, _ in found], timeout=grace_seconds)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_seconds)
    for pid_file in (data_dir / "run").glob("*.pid"):
        pid_file.unlink()
    return [command for _, command in found]


def stop_everything(data_dir: Path, *, grace_seconds: float = 30.0) -> list[str]:
    """Stop a running supervisor, what a killed one left, and the embedded servers.

    Returns what was stopped, one line each; nothing running is no error.
    """
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return []
    stopped = []
    try:
        claim(data_dir).close()
    except AlreadyRunning as running:
        stopped.append(f"supervisor {running.pid}")
        with suppress(psutil.Error):
            supervisor = psutil.Process(running.pid)
            supervisor.send_signal(signal.SIGTERM)
            with suppress(psutil.TimeoutExpired):
                supervisor.wait(grace_seconds)
            if supervisor.is_running():
                supervisor.kill()
    stopped += end_leftovers(data_dir)
    if embedded.stop_redis(data_dir):
        stopped.append("redis")
    if embedded.stop_postgres(data_dir):
        stopped.append("postgres")
    return stopped
