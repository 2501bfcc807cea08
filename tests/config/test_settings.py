"""Settings: read once, loud about what is wrong, and safe in production."""

import os
import subprocess
import sys

import pytest

from config import environment

GOOD = {
    "SLUICE_PRODUCTION": "1",
    "SLUICE_SECRET_KEY": "k" * 50,
    "SLUICE_ALLOWED_HOSTS": "desk.example",
    "SLUICE_SMS_URLS": "json://sms.example/{phone}",
    "DATABASE_URL": "postgresql://u:p@db.example/sluice",
    "BROKER_URL": "redis://broker.example/0",
}


def load(**changes: str | None) -> subprocess.CompletedProcess[str]:
    """Load the settings in a fresh process with these variables only."""
    values = {**GOOD, **changes}
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLUICE_") and name not in {"DATABASE_URL", "BROKER_URL"}
    }
    variables |= {name: value for name, value in values.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.PRODUCTION)"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_complete_production_settings_load():
    result = load()
    assert (result.returncode, result.stdout.strip()) == (0, "True"), result.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SLUICE_SECRET_KEY": None}, "SLUICE_SECRET_KEY"),
        ({"SLUICE_SECRET_KEY": "short"}, "SLUICE_SECRET_KEY"),
        (
            {"SLUICE_SECRET_KEY": "insecure-secret-for-development-and-the-demo"},
            "SLUICE_SECRET_KEY",
        ),
        ({"SLUICE_ALLOWED_HOSTS": None}, "SLUICE_ALLOWED_HOSTS"),
        ({"SLUICE_DEBUG": "1"}, "SLUICE_DEBUG"),
        ({"SLUICE_SMS_URLS": None}, "SLUICE_SMS_URLS"),
        ({"DATABASE_URL": None}, "DATABASE_URL"),
        ({"BROKER_URL": None}, "BROKER_URL"),
        ({"DATABASE_URL": "mysql://u@h/d"}, "postgresql://"),
        ({"DATABASE_URL": "postgresql://u@h/"}, "names no database"),
        ({"BROKER_URL": "amqp://h"}, "CACHE_URL"),
        ({"SLUICE_PRODUCTION": "maybe"}, "SLUICE_PRODUCTION"),
        ({"SLUICE_HOLD_DUE_MINUTES": "two hours"}, "SLUICE_HOLD_DUE_MINUTES"),
        ({"SLUICE_HOLD_DUE_MINUTES": "0"}, "SLUICE_HOLD_DUE_MINUTES"),
        ({"SLUICE_LOG_LEVEL": "LOUD"}, "SLUICE_LOG_LEVEL"),
    ],
)
def test_wrong_value_stops_the_start_and_is_named(changes, named):
    result = load(**changes)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("django.core.exceptions.ImproperlyConfigured")
    assert named in last


def test_database_url_with_socket_directory_and_escapes():
    read = environment.database("postgresql://u%40x:p%2F@/shop?host=%2Frun%2Fpg&sslmode=require")
    assert read == {
        "NAME": "shop",
        "USER": "u@x",
        "PASSWORD": "p/",
        "HOST": "/run/pg",
        "PORT": "",
        "OPTIONS": {"sslmode": "require"},
    }
