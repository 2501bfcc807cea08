"""The time, as the database tells it: one clock for all machines, whatever their own say."""

from datetime import datetime

from django.db import connection

NOW = "SELECT clock_timestamp()"


def database_now() -> datetime:
    """The present moment, with its zone; asked within the running transaction, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(NOW)
        moment: datetime = cursor.fetchone()[0]
    return moment
