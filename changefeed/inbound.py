"""Messages from other systems: each is taken once, in the transaction that applies it."""

from django.db import connection

from changefeed.errors import TransactionRequired

_RECEIVE = """
INSERT INTO changefeed_inbox (source, source_event_id, received_at)
VALUES (%s, %s, now()) ON CONFLICT (source, source_event_id) DO NOTHING
"""


def receive_once(source: str, source_event_id: str) -> bool:
    """True for the first sight of this message, False for a repeat.

    Two at once: the second waits for the first's transaction and is a repeat only if that
    commits. Raises TransactionRequired outside a transaction, where a failure to apply would
    leave the message marked as done.
    """
    if not connection.in_atomic_block:
        raise TransactionRequired("a message is received inside the transaction that applies it")
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVE, (source, source_event_id))
        return bool(cursor.rowcount == 1)
