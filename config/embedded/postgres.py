"""The embedded PostgreSQL: made once, started on demand, outliving whoever started it."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

import psutil

from config.embedded import servers
from config.embedded.accounts import Account, account_for
from config.embedded.homes import POSTGRES_MAJOR, binaries_for, home_for, known_home
from config.embedded.servers import EmbeddedServerError
from config.embedded.tuning import configuration

SERVICE = "postgres"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
DATABASE = USER = "sluice"
# Beyond every kernel's largest process number, so certainly nobody's.
NO_PROCESS = 2**31 - 2
READY_SECONDS = 300  # recovery of a large write-ahead log may take minutes
LARGEST_LOG_BYTES = 20 * 1024**2


def start_postgres(data_dir: Path, *, volatile: bool = False) -> str:
    """DATABASE_URL of the running server of this data directory, started first if need be.

    Safe to call from many processes at once and cheap when the server is up. The server listens
    on a unix socket only and survives its starter and the starter's terminal. `volatile` trades
    durability for speed, in tests; a running server stays as it was started. Raises
    EmbeddedServerError with the reason and the end of the server's log.
    """
    data_dir = data_dir.resolve()
    if known := servers.recall(data_dir, SERVICE):
        return known["database_url"]
    with servers.exclusive(data_dir, SERVICE):
        if known := servers.recall(data_dir, SERVICE):
            return known["database_url"]
        servers.forget(data_dir, SERVICE)
        account = account_for(known_home(data_dir))
        home = home_for(data_dir, account)
        programs = binaries_for(account)
        if not (home / "PG_VERSION").exists():
            _stop_all(home)
            _create_cluster(home, programs, account)
        _check_version(home)
        sockets = _settle(home)
        if sockets is None:
            sockets = servers.socket_dir(home, SERVICE, uid=account.uid, gid=account.gid)
            _launch(home, programs, account, sockets, volatile=volatile)
        url = f"postgresql://{USER}@/{DATABASE}?host={quote(str(sockets), safe='')}"
        servers.remember(
            data_dir, SERVICE, socket_path=sockets / SOCKET_NAME, urls={"database_url": url}
        )
        return url


def stop_postgres(data_dir: Path) -> bool:
    """Stop the server of this data directory in good order; False when none was running."""
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return False
    with servers.exclusive(data_dir, SERVICE):
        path = servers.forget(data_dir, SERVICE)
        stopped = _stop_all(known_home(data_dir))
        servers.tidy_socket(path)
        return stopped


def postgres_running(data_dir: Path) -> str | None:
    """DATABASE_URL when the server is up, else None; starts nothing."""
    known = servers.recall(data_dir.resolve(), SERVICE)
    return known["database_url"] if known else None


def _create_cluster(home: Path, programs: Path, account: Account) -> None:
    # Made beside its place and renamed, so that an interrupted start leaves no half cluster.
    fresh = home.with_name(f"{home.name}.new")
    rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account.own(fresh)
    try:
        account.run(
            [
                *(programs / "initdb", "-D", fresh, "--username", USER, "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
                *("--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ]
        )
        account.run(
            [programs / "postgres", "--single", "-D", fresh, "postgres"],
            text=f"CREATE DATABASE {DATABASE}\n",
        )
    except subprocess.CalledProcessError as error:
        raise EmbeddedServerError(
            f"PostgreSQL could not make its files in {fresh}: {error.stderr.strip()}"
        ) from error
    except PermissionError as error:
        raise EmbeddedServerError(
            "This process is root but may not become another user, and PostgreSQL refuses root. "
            "Run as an ordinary user, or set DATABASE_URL."
        ) from error
    with (fresh / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_dir = 'conf.d'\n")
    (fresh / "conf.d").mkdir(mode=0o700)
    account.own(fresh)
    fresh.rename(home)


def _check_version(home: Path) -> None:
    found = (home / "PG_VERSION").read_text().strip()
    if found != POSTGRES_MAJOR:
        raise EmbeddedServerError(
            f"{home} was made by PostgreSQL {found}; this is {POSTGRES_MAJOR}. "
            "Remove it (losing what it holds), or set DATABASE_URL."
        )


def _settle(home: Path) -> Path | None:
    """Socket directory of a sound server already running in `home`, ready; None when none is.

    Ends servers in the way: of a removed directory of the same name, of this directory before it
    was moved, or one whose socket was swept away. A lock file that names somebody else's process
    is made to name none; PostgreSQL itself still checks that nobody uses its shared memory.
    """
    lines = _pid_lines(home)
    running = {process.pid: process for process in _servers_in(home)}
    own = running.get(int(lines[0])) if len(lines) > 4 and lines[0].isdigit() else None
    if own and lines[1] == str(home):
        sockets = Path(lines[4])
        for pid, process in running.items():
            if pid != own.pid:
                servers.end_process(process, signal.SIGQUIT, signal.SIGKILL, seconds=10)
        stopping = lines[-1].strip() == "stopping"
        if not stopping and servers.answers(sockets / SOCKET_NAME):
            _await_ready(home, own)
            return sockets
    _stop_all(home)
    lines = _pid_lines(home)
    if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
        pid_file = home / "postmaster.pid"
        pid_file.write_text("\n".join([str(NO_PROCESS), *lines[1:]]) + "\n")
    return None


def _pid_lines(home: Path) -> list[str]:
    try:
        return (home / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _servers_in(home: Path) -> list[psutil.Process]:
    """Main server processes whose command line names this home, now or before it was moved."""
    names = {str(home)}
    lines = _pid_lines(home)
    if len(lines) > 1 and not Path(lines[1]).exists():
        names.add(lines[1])
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            command = process.cmdline()
            is_server = bool(command) and Path(command[0]).name == "postgres"
            if is_server and "-D" in command and command[command.index("-D") + 1] in names:
                found.append(process)
    # A backend shows its parent's command line until it has named itself.
    pids = {process.pid for process in found}
    return [process for process in found if process.ppid() not in pids]


def _stop_all(home: Path) -> bool:
    found = _servers_in(home)
    for process in found:
        servers.end_process(process, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, seconds=60)
    return bool(found)


def _launch(home: Path, programs: Path, account: Account, sockets: Path, *, volatile: bool) -> None:
    log = home / "server.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.write_text("")
    # Nobody serves this home any more, so what guards its socket guards nothing.
    (sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
    (home / "conf.d").mkdir(mode=0o700, exist_ok=True)
    (home / "conf.d" / "sluice.conf").write_text(configuration(sockets, PORT, volatile=volatile))
    account.own(home)

    def started() -> bool:
        with suppress(subprocess.CalledProcessError):
            account.run(
                [
                    *(programs / "pg_ctl", "start", "--wait", "--silent", "-D", home),
                    *("--timeout", str(READY_SECONDS), "--log", log),
                ],
                output=subprocess.DEVNULL,
            )
            return True
        # Right after kill -9 of the main process its children may hold the memory for a moment.
        return "shared memory block" not in _end_of(log)

    servers.wait_until(started, seconds=15)
    if not servers.answers(sockets / SOCKET_NAME):
        raise EmbeddedServerError(f"PostgreSQL did not start in {home}:\n{_end_of(log)}")


def _await_ready(home: Path, process: psutil.Process) -> None:
    def ready() -> bool:
        return not process.is_running() or _pid_lines(home)[-1:] == ["ready   "]

    if not servers.wait_until(ready, READY_SECONDS) or not process.is_running():
        raise EmbeddedServerError(
            f"PostgreSQL is not ready in {home}:\n{_end_of(home / 'server.log')}"
        )


def _end_of(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    except OSError as error:
        return f"(no log: {error.strerror})"
