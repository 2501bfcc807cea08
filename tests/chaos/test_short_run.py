"""The short run of the fault suite: a few nemeses, and two broken feeds that must be caught."""

import subprocess
import sys

import pytest

from tests.chaos.stage import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def test_the_feed_survives_and_broken_feeds_are_caught():
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos.run", "--short"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )

    assert run.returncode == 0, run.stdout[-6000:]
