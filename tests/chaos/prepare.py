"""Fills the template database: the probes' own table, and a shop that can take orders."""

import os

import django

PROBES = 24

_PROBES = """
CREATE TABLE chaos_probe (id text PRIMARY KEY, version bigint NOT NULL, value bigint NOT NULL);
INSERT INTO chaos_probe
SELECT 'P' || to_char(n, 'FM000'), 0, 0 FROM generate_series(0, %s - 1) AS n
"""


def main() -> None:
    """Run in a process of its own against the migrated template."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection

    from rules.starting import load_starter
    from tests.factories import make_world

    with connection.cursor() as cursor:
        cursor.execute(_PROBES, (PROBES,))
    make_world()
    load_starter("system")


if __name__ == "__main__":
    main()
