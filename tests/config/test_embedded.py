"""The embedded servers survive what happens to them on developers' machines."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import psutil
import psycopg
import pytest
import redis

from config import embedded
from config.embedded import homes, postgres, servers

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # pytest's own tmp_path is closed to other users, which the root test needs to pass.
    base = Path(mkdtemp(prefix="sluice-test-", dir="/tmp"))
    base.chmod(0o755)
    yield base / "data"
    for found in [base / "data", *base.glob("**/data")]:
        embedded.stop_postgres(found)
        embedded.stop_redis(found)
        embedded.remove_data(found)
    shutil.rmtree(base)


def query(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""


def client(urls: embedded.RedisUrls) -> redis.Redis:
    return redis.Redis.from_url(urls.cache_url)


def main_process(data_dir: Path) -> psutil.Process:
    lines = (homes.known_home(data_dir) / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(lines[0]))


def kill(process: psutil.Process) -> None:
    process.kill()
    assert servers.wait_until(lambda: servers.has_ended(process), 10)


def test_server_is_made_once_and_set_up_for_orders(data_dir):
    url = embedded.start_postgres(data_dir)
    first = main_process(data_dir).pid

    assert embedded.start_postgres(data_dir) == url
    assert main_process(data_dir).pid == first
    assert embedded.postgres_running(data_dir) == url
    expected = {
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "listen_addresses": "",
        "max_connections": "200",
        "synchronous_commit": "on",
        "fsync": "on",
        "jit": "off",
        "wal_compression": "pglz",
        "unix_socket_permissions": "0700",
    }
    assert {name: query(url, f"SHOW {name}") for name in expected} == expected
    assert query(url, "SELECT lower('Ä单闸')") == "ä单闸"
    locale = (
        "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'sluice'"
    )
    assert query(url, locale) == "b C.UTF-8"


def test_starting_twice_costs_milliseconds(data_dir):
    embedded.start_postgres(data_dir)
    embedded.start_redis(data_dir)

    began = time.process_time()
    for _ in range(20):
        embedded.start_postgres(data_dir)
        embedded.start_redis(data_dir)

    assert (time.process_time() - began) / 20 < 0.01


def test_many_starters_get_one_server(data_dir):
    program = (
        "import sys; from pathlib import Path; from config import embedded;"
        "print(embedded.start_postgres(Path(sys.argv[1])), embedded.start_redis(Path(sys.argv[1])))"
    )

    def start(_: int) -> str:
        command = [sys.executable, "-c", program, str(data_dir)]
        return subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1
    assert query(embedded.start_postgres(data_dir), "SELECT 1") == "1"


def test_server_has_its_own_session(data_dir):
    embedded.start_postgres(data_dir)
    pid = main_process(data_dir).pid

    assert os.getsid(pid) == pid != os.getsid(0)


def test_database_comes_back_with_its_rows_after_kill_9(data_dir):
    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(main_process(data_dir))

    again = embedded.start_postgres(data_dir)

    assert query(again, "SELECT answer FROM kept") == "42"


def test_lock_file_naming_somebody_elses_process_is_no_obstacle(data_dir):
    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(main_process(data_dir))
    pid_file = homes.known_home(data_dir) / "postmaster.pid"
    with subprocess.Popen(["sleep", "600"]) as stranger:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")

        again = embedded.start_postgres(data_dir)

        assert stranger.poll() is None
        stranger.kill()
    assert query(again, "SELECT answer FROM kept") == "42"


def test_swept_away_socket_is_renewed(data_dir):
    embedded.start_postgres(data_dir)
    urls = embedded.start_redis(data_dir)
    client(urls).set("kept", "42")
    (homes.known_home(data_dir) / postgres.SOCKET_NAME).unlink()
    (data_dir / "redis" / "redis.sock").unlink()

    assert query(embedded.start_postgres(data_dir), "SELECT 1") == "1"
    assert client(embedded.start_redis(data_dir)).get("kept") == b"42"


def test_moved_directory_keeps_its_rows(data_dir):
    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    old = main_process(data_dir)
    moved = data_dir.parent / "moved" / "data"
    moved.parent.mkdir()
    data_dir.rename(moved)

    again = embedded.start_postgres(moved)

    assert query(again, "SELECT answer FROM kept") == "42"
    assert servers.has_ended(old)


def test_copied_directory_gets_a_server_of_its_own(data_dir):
    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE whose AS SELECT 'original' AS name")
    original = main_process(data_dir)
    query(url, "CHECKPOINT")
    copy = data_dir.parent / "copy" / "data"
    copy.parent.mkdir()
    subprocess.run(["cp", "-a", str(data_dir), str(copy)], check=True)

    other = embedded.start_postgres(copy)
    query(other, "UPDATE whose SET name = 'copy'")

    assert original.is_running()
    assert query(url, "SELECT name FROM whose") == "original"
    assert query(other, "SELECT name FROM whose") == "copy"


def test_removed_directory_starts_empty(data_dir):
    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE gone (id int)")
    old = main_process(data_dir)
    shutil.rmtree(data_dir)

    again = embedded.start_postgres(data_dir)

    assert query(again, "SELECT to_regclass('gone') IS NULL") == "True"
    assert servers.has_ended(old)


@pytest.mark.parametrize("name", ["deep/" * 30, "a name with spaces/订单"])
def test_awkward_paths_get_short_sockets(data_dir, name):
    awkward = data_dir / name
    awkward.mkdir(parents=True)

    try:
        url = embedded.start_postgres(awkward)
        urls = embedded.start_redis(awkward)

        assert query(url, "SELECT 1") == "1"
        assert client(urls).ping() is True
    finally:
        embedded.stop_redis(awkward)
        embedded.stop_postgres(awkward)


def test_interrupted_creation_is_begun_anew(data_dir):
    half = data_dir / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    assert query(embedded.start_postgres(data_dir), "SELECT 1") == "1"


def test_stop_ends_both_and_start_brings_both_back(data_dir):
    url = embedded.start_postgres(data_dir)
    client(embedded.start_redis(data_dir)).set("kept", "42")
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    old = main_process(data_dir)

    assert embedded.stop_postgres(data_dir) is True
    assert embedded.stop_redis(data_dir) is True

    assert servers.has_ended(old)
    assert embedded.postgres_running(data_dir) is None
    assert embedded.redis_running(data_dir) is None
    assert embedded.stop_postgres(data_dir) is False
    assert embedded.stop_redis(data_dir) is False
    assert query(embedded.start_postgres(data_dir), "SELECT answer FROM kept") == "42"
    assert client(embedded.start_redis(data_dir)).get("kept") == b"42"


def test_redis_comes_back_after_kill_9_and_listens_nowhere_else(data_dir):
    urls = embedded.start_redis(data_dir)
    connection = client(urls)
    connection.set("kept", "42")
    assert connection.config_get("port") == {"port": "0"}
    assert connection.config_get("appendonly") == {"appendonly": "yes"}
    process = psutil.Process(connection.info()["process_id"])
    assert embedded.start_redis(data_dir) == urls
    kill(process)
    # Its other threads may hold the socket open a moment longer.
    assert servers.wait_until(lambda: not servers.answers(data_dir / "redis" / "redis.sock"), 10)
    (data_dir / "redis" / "server.pid").write_text(f"{os.getpid()}\n")

    again = client(embedded.start_redis(data_dir))

    assert again.get("kept") == b"42"
    assert again.info()["process_id"] != process.pid


def test_celery_reaches_the_broker(data_dir):
    from kombu import Connection

    urls = embedded.start_redis(data_dir)

    with Connection(urls.broker_url) as connection:
        queue = connection.SimpleQueue("probe")
        queue.put({"order": 1})
        assert queue.get(timeout=5).payload == {"order": 1}
        queue.close()


def test_broken_configuration_is_reported_with_the_log(data_dir):
    embedded.start_postgres(data_dir)
    embedded.stop_postgres(data_dir)
    conf = homes.known_home(data_dir) / "postgresql.conf"
    conf.write_text(conf.read_text() + "\nno_such_setting = 1\n")

    with pytest.raises(embedded.EmbeddedServerError, match="no_such_setting"):
        embedded.start_postgres(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a directory to the stand-in")
def test_root_in_a_closed_directory_is_served_from_elsewhere(data_dir):
    data_dir.mkdir()
    data_dir.parent.chmod(0o700)

    url = embedded.start_postgres(data_dir)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    elsewhere = Path((data_dir / "postgres-is-elsewhere.txt").read_text().strip())
    kill(main_process(data_dir))

    assert elsewhere.parent.parent == homes.FAR_PARENT
    assert query(embedded.start_postgres(data_dir), "SELECT answer FROM kept") == "42"
    embedded.stop_postgres(data_dir)
    embedded.remove_data(data_dir)
    assert not elsewhere.parent.exists()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="root and setpriv are needed to become an ordinary user; others are one already",
)
def test_ordinary_user_runs_the_servers_as_themselves(data_dir):
    data_dir.mkdir()
    shutil.chown(data_dir, 65534, 65534)
    packages = str(Path(psycopg.__file__).parents[1])
    interpreter = Path(sys.executable).resolve()
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    reachable = subprocess.run([*as_nobody, str(interpreter), "-c", ""], capture_output=True)
    if reachable.returncode:
        interpreter = Path("/usr/bin/python3")
        if not interpreter.exists():
            pytest.skip("no interpreter that an ordinary user can run")
    env = {"PYTHONPATH": f"{ROOT}:{packages}", "PATH": os.environ["PATH"]}
    # Wheels compiled for this interpreter need not load in the system's, so only paths are given.
    program = (
        "import sys; sys.argv[1:]; from config.embedded.__main__ import main; sys.exit(main())"
    )

    done = subprocess.run(
        [*as_nobody, str(interpreter), "-c", program, "start", "--data-dir", str(data_dir)],
        env=env,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert main_process(data_dir).uids().real == 65534
    url = embedded.postgres_running(data_dir)
    assert url
    assert query(url, "SELECT current_user") == "sluice"
    assert psutil.Process(int((data_dir / "redis" / "server.pid").read_text())).uids().real == 65534
    kill(main_process(data_dir))
    # Root finds the data of an ordinary user and runs the server as that user.
    assert query(embedded.start_postgres(data_dir), "SELECT 1") == "1"
    assert main_process(data_dir).uids().real == 65534
