"""`manage.py demo` as a stranger runs it: a small day, real processes, a second one refused."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.embedded.servers import wait_until
from config.processes import free_port, stop_everything
from config.processes.leftovers import MARK

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    try:
        yield tmp_path
    finally:
        stop_everything(tmp_path)


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command on embedded servers of its own, whatever the suite runs on."""
    ours = ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "SLUICE_NO_DATABASE")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env |= {
        "SLUICE_DATA_DIR": str(home),
        "SLUICE_FEED_LEASE_SECONDS": "12",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-u", "manage.py", "demo", "--language", "en", *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that starts the suite in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    assert demo.stdout
    text = ""
    for line in demo.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(text)


def processes_of(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home) or str(home) in process.cmdline():
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def test_small_day_agrees_and_a_second_demo_leaves_it_alone(home: Path) -> None:
    port = free_port(18106)
    first = start(home, "--orders", "60", "--port", str(port))
    try:
        text = read_until(first, "Stop with Ctrl-C.")
        assert "Every number agrees." in text
        assert "✗" not in text
        assert f"http://127.0.0.1:{port}/admin/" in text

        second = start(home, "--once")
        words, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"A demo is running already, as process {first.pid}." in words
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200
    finally:
        first.send_signal(signal.SIGINT)
        words, _ = first.communicate(timeout=60)
    assert (first.returncode, words.strip()) == (0, "Stopping everything.")
    assert wait_until(lambda: processes_of(home) == [], 10), processes_of(home)


def test_broken_off_run_is_no_success(home: Path) -> None:
    demo = start(home, "--once", "--orders", "60", "--port", str(free_port(18306)))
    read_until(demo, "are loaded")
    demo.send_signal(signal.SIGINT)
    words, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "Interrupted" in words
    assert wait_until(lambda: processes_of(home) == [], 10), processes_of(home)
