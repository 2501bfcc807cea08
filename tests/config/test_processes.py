"""The demo's processes are started, watched, killed on purpose and stopped without remains."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.embedded.servers import has_ended, wait_until
from config.processes import (
    AlreadyRunning,
    Processes,
    ProcessFailed,
    free_port,
    stop_everything,
)
from config.processes.signals import held_back

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
# A parent that ignores SIGTERM, with a child of its own.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); time.sleep(600)",
]
# In a background job of a shell, programs start with Ctrl-C ignored; in a terminal they do not.
SUPERVISOR = (
    "import signal, sys; from pathlib import Path; from config.processes import Processes\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "with Processes(Path(sys.argv[1])) as processes:\n"
    "    print(processes.start('sleeper', ['sleep', '600']), flush=True)\n"
    "    processes.watch()\n"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path, grace_seconds=1) as running:
        yield running


def printed(processes: Processes, name: str) -> str:
    assert wait_until(lambda: processes.log(name).read_text().endswith("\n"), 20)
    return processes.log(name).read_text().strip()


def supervise(data_dir: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(data_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert supervisor.stdout
    return supervisor, psutil.Process(int(supervisor.stdout.readline()))


def test_process_gets_a_session_a_log_and_a_pid_file(processes, tmp_path):
    pid = processes.start("worker", SLEEP)

    assert printed(processes, "worker") == "up"
    assert os.getsid(pid) == pid
    assert (tmp_path / "run" / "worker.pid").read_text() == f"{pid}\n"
    assert processes.log("worker") == tmp_path / "logs" / "worker.log"
    with pytest.raises(ValueError, match="already running"):
        processes.start("worker", SLEEP)


def test_killed_process_is_no_failure_and_can_be_started_again(processes):
    first = processes.start("worker", SLEEP)
    printed(processes, "worker")

    processes.kill("worker")

    assert not processes.is_running("worker")
    processes.check()
    assert processes.restart("worker") != first
    assert processes.is_running("worker")
    assert wait_until(lambda: processes.log("worker").read_text() == "up\nup\n", 20)


def test_crash_is_reported_with_the_end_of_the_log(processes):
    processes.start("web", [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"])

    with pytest.raises(ProcessFailed, match=r"web ended with code 3\.\n.*web\.log:\nno such table"):
        processes.wait_until("web", lambda: False, seconds=20)


def test_process_that_never_becomes_ready_is_reported(processes):
    processes.start("web", SLEEP)

    with pytest.raises(ProcessFailed, match="web was not ready after 0 s"):
        processes.wait_until("web", lambda: False, seconds=0.2)


def test_stop_takes_stubborn_processes_and_their_children(processes):
    processes.start("worker", STUBBORN)
    child = psutil.Process(int(printed(processes, "worker")))

    processes.stop("worker")

    assert not processes.is_running("worker")
    assert wait_until(lambda: has_ended(child), 10)


def test_leaving_by_an_error_stops_everything(tmp_path):
    with suppress(RuntimeError), Processes(tmp_path) as processes:
        pids = [processes.start(name, SLEEP) for name in ("web", "worker")]
        raise RuntimeError("the demo broke")

    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not list((tmp_path / "run").glob("*.pid"))


def test_second_set_is_refused_and_the_first_goes_on(processes, tmp_path):
    processes.start("worker", SLEEP)

    with pytest.raises(AlreadyRunning) as refusal, Processes(tmp_path):
        pass

    assert refusal.value.pid == os.getpid()
    assert processes.is_running("worker")
    assert (tmp_path / "run" / "worker.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_stops_the_set_in_good_order(tmp_path, number):
    supervisor, sleeper = supervise(tmp_path)

    supervisor.send_signal(number)

    assert supervisor.wait(20) != 0
    assert has_ended(sleeper)


def start_and_stop(data_dir: Path) -> None:
    with Processes(data_dir) as processes:
        processes.start("sleeper", ["sleep", "600"])


@pytest.mark.parametrize(
    ("number", "leaving"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, SystemExit),
        (signal.SIGHUP, SystemExit),
    ],
)
def test_signal_while_a_process_starts_leaves_none_behind(tmp_path, monkeypatch, number, leaving):
    born = []

    def interrupted(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        born.append(real(*given, **named))
        signal.raise_signal(number)
        return born[0]

    real = subprocess.Popen
    monkeypatch.setattr("config.processes.supervisor.subprocess.Popen", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(leaving):
            start_and_stop(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)

    assert born[0].returncode == -signal.SIGTERM
    assert not (tmp_path / "run" / "sleeper.pid").exists()


def test_ignored_signal_stays_ignored_while_a_process_starts():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held_back():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_remains_of_a_killed_set_are_ended_by_the_next(tmp_path):
    supervisor, sleeper = supervise(tmp_path)
    supervisor.kill()
    supervisor.wait()
    assert sleeper.is_running()

    with Processes(tmp_path):
        assert has_ended(sleeper)


def test_stop_ends_running_sets_and_remains_alike(tmp_path):
    supervisor, sleeper = supervise(tmp_path)

    stopped = stop_everything(tmp_path)

    assert stopped[0] == f"supervisor {supervisor.pid}"
    assert has_ended(sleeper)
    supervisor.wait()

    supervisor, sleeper = supervise(tmp_path)
    supervisor.kill()
    supervisor.wait()

    assert stop_everything(tmp_path) == ["sleep 600"]
    assert has_ended(sleeper)
    assert stop_everything(tmp_path) == []


def test_pid_file_of_a_stranger_harms_nobody(tmp_path):
    (tmp_path / "run").mkdir()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (tmp_path / "run" / "worker.pid").write_text(f"{stranger.pid}\n")

        assert stop_everything(tmp_path) == []

        assert stranger.poll() is None
        stranger.kill()


def test_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert port < free_port(port) < port + 100
        with suppress(OSError):
            assert free_port(port, tries=1) != port
    assert free_port(port) == port
