"""The web applications that the benchmarks compare can be loaded, each with its own settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("module", "set_up_by"),
    [
        ("config.wsgi", "config.settings"),
        ("tests.bench.plain_drf.wsgi", "tests.bench.plain_drf.settings"),
    ],
)
def test_an_application_loads(module, set_up_by):
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": set_up_by,
        "SLUICE_NO_DATABASE": "1",
        "DATABASE_URL": "postgresql:///not-used?host=/nonexistent",
    }
    command = [sys.executable, "-c", f"import {module}; print(callable({module}.application))"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
