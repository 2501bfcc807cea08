"""The Celery application; discovers `tasks` and `emails` of the apps."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _settle(**_signal: Any) -> None:
    """Once a worker's process has everything loaded."""
    from changefeed import collecting  # needs the apps, which the worker has loaded by now

    collecting.settle()
