"""A database for one benchmark run, beside the configured one, gone when the run ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg

from config import embedded
from config.environment import text

ROOT = Path(__file__).resolve().parents[3]
DATA_DIR = Path(text("SLUICE_DATA_DIR") or ROOT / ".data")


def configured_url() -> str:
    """The database that the product would use; the embedded one is started if need be."""
    return text("DATABASE_URL") or embedded.start_postgres(DATA_DIR)


def url_of(name: str) -> str:
    """The address of another database in the configured cluster."""
    return urlunsplit(urlsplit(configured_url())._replace(path=f"/{name}"))


@contextmanager
def own_database(name: str) -> Iterator[str]:
    """Address of a fresh, empty database of this name; what was there under it is dropped."""
    home = configured_url()
    address = url_of(name)
    with psycopg.connect(home, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield address
    finally:
        with psycopg.connect(home, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def product_database(name: str = "sluice_bench") -> Iterator[str]:
    """A migrated database of the product, with Django set up on it for this process."""
    with own_database(name) as address:
        before = dict(os.environ)
        os.environ["DATABASE_URL"] = address
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        os.environ.setdefault("SLUICE_LOG_LEVEL", "WARNING")
        try:
            django.setup()
            from django.core.management import call_command
            from django.db import connections

            call_command("migrate", verbosity=0, interactive=False)
            yield address
        finally:
            connections.close_all()
            os.environ.clear()
            os.environ.update(before)


def value(address: str, query: str) -> int:
    """The one number a query answers with."""
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
