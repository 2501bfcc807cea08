"""What both embedded servers share: one starter at a time, what is remembered, where sockets go."""

import fcntl
import hashlib
import json
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from time import monotonic, sleep

import psutil

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 103
SHORT_PARENT = Path("/tmp")


class EmbeddedServerError(Exception):
    """An embedded server cannot start; the message says why and what to do."""


@contextmanager
def exclusive(data_dir: Path, service: str) -> Iterator[None]:
    """Let one process at a time start or stop the service of this data directory.

    The lock falls with the process that holds it, so a killed starter blocks nobody.
    """
    try:
        lock_dir = data_dir / "run"
        lock_dir.mkdir(parents=True, exist_ok=True)
        lock = (lock_dir / f"{service}.lock").open("a")
    except OSError as error:
        raise EmbeddedServerError(
            f"{data_dir} cannot be written ({error.strerror}). Run as the user who made it, "
            "remove it, or set DATABASE_URL and BROKER_URL to servers of your own."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _note(data_dir: Path, service: str) -> Path:
    return data_dir / "run" / f"{service}.json"


def remember(data_dir: Path, service: str, *, socket_path: Path, urls: dict[str, str]) -> None:
    """Note where the running service listens, for `recall` in other processes."""
    note = _note(data_dir, service)
    fresh = note.with_suffix(".new")
    fresh.write_text(
        json.dumps({"data_dir": str(data_dir), "socket": str(socket_path), "urls": urls})
    )
    fresh.replace(note)


def recall(data_dir: Path, service: str) -> dict[str, str] | None:
    """URLs of the running service, or None when it does not answer; costs under a millisecond.

    A note copied along with the project names another directory and counts for nothing.
    """
    try:
        note = json.loads(_note(data_dir, service).read_text())
        if note["data_dir"] == str(data_dir) and answers(Path(note["socket"])):
            return dict(note["urls"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def forget(data_dir: Path, service: str) -> Path | None:
    """Drop what `remember` noted, before the service goes down; the socket noted, if any."""
    note = _note(data_dir, service)
    path = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        path = Path(json.loads(note.read_text())["socket"])
    note.unlink(missing_ok=True)
    return path


def tidy_socket(path: Path | None) -> None:
    """Remove the short directory of a stopped server's socket, where it had one."""
    if path is not None and path.parent.parent == SHORT_PARENT:
        rmtree(path.parent, ignore_errors=True)


def answers(path: Path) -> bool:
    """True when something accepts connections at this unix socket, be it too busy to say so."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except (BlockingIOError, TimeoutError):
            return True
        except OSError:
            return False
    return True


def socket_dir(preferred: Path, service: str, *, uid: int, gid: int) -> Path:
    """Directory for the service's socket, private to `uid`: `preferred`, or a short one in /tmp.

    The short one serves deep paths, paths a URL would have to escape, and file systems without
    sockets. Raises EmbeddedServerError when another user got hold of its name.
    """
    if _takes_socket(preferred):
        return preferred
    short = SHORT_PARENT / f"sluice-{service}-{uid}-{short_hash(preferred)}"
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        os.chown(short, uid, gid)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise EmbeddedServerError(f"{short} belongs to somebody else. Remove it and try again.")
    return short


def short_hash(path: Path) -> str:
    """Twelve hex digits that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _takes_socket(directory: Path) -> bool:
    probe = directory / ".s.probe.00000000"
    if len(os.fsencode(probe)) > LONGEST_SOCKET_PATH:
        return False
    if not re.fullmatch(r"[A-Za-z0-9/._-]+", str(directory)):
        return False
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            probe.unlink(missing_ok=True)
            listener.bind(str(probe))
        except OSError:
            return False
        probe.unlink()
    return True


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    """Ask every 20 ms until `ready` says True; False when the time is over."""
    deadline = monotonic() + seconds
    while not ready():
        if monotonic() > deadline:
            return False
        sleep(0.02)
    return True


def end_process(process: psutil.Process, *signals: int, seconds: float) -> None:
    """Send the signals one after the other, waiting up to `seconds` after each for the end."""
    for number in signals:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if wait_until(lambda: has_ended(process), seconds):
            return
    raise EmbeddedServerError(f"Process {process.pid} does not end. Look at it, then kill it.")


def has_ended(process: psutil.Process) -> bool:
    """True once the process is gone, or is a zombie that only waits to be collected."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
