"""Processes that live long go through what they loaded no more."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOWN = "import gc; print(gc.get_freeze_count() > 50_000, gc.get_threshold())"


def shown_by(preparation):
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "SLUICE_NO_DATABASE": "1"}
    command = [sys.executable, "-c", f"{preparation}; {SHOWN}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_web_process_settles():
    assert shown_by("import config.wsgi") == "True (20000, 20, 50)"


def test_a_workers_process_settles():
    begin = "worker_process_init.send(sender=None)"
    prepared = (
        "import django; django.setup(); import config.celery, config.urls;"
        f" from celery.signals import worker_process_init; {begin}"
    )
    assert shown_by(prepared) == "True (20000, 20, 50)"
