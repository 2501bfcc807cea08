"""The time, as the database tells it: one clock for all machines, whatever their own say."""

from datetime import datetime

from orders.sql import fetch

NOW = "SELECT clock_timestamp()"


def database_now() -> datetime:
    """The present moment, with its zone; asked within the running transaction."""
    ((moment,),) = fetch(NOW)
    return moment
