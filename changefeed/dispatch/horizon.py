"""Where the queue of due lanes begins: how a claim steers clear of what is long delivered."""

import time

from django.db import connection as django_connection
from psycopg import AsyncConnection
from psycopg.rows import DictRow

BEGINNING = "-infinity"
REFRESH_SECONDS = 0.25
# A look from the very beginning may take this share of a dispatcher's time.
_SHARE_FOR_LOOKING = 0.05
_CHEAP_SECONDS = 0.05

# While any transaction stays open, vacuum cannot remove the index entries of delivered lanes, and
# they all lie before the first pending one. What becomes visible later was due when its writer
# wrote it, so not before that transaction began. It is asked for before the lanes are read, lest
# a writer commits in between. One that takes long must not hold us back: what it leaves behind
# is found by looking from the beginning.
_FLOOR = """
SELECT least(now() - interval '0.2 seconds', min(xact_start))::text AS floor
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND datname = current_database()
  AND xact_start > now() - interval '10 seconds'
"""

_FIRST_PENDING = """
SELECT endpoint.id,
       least(coalesce(first.due_at, %(floor)s::timestamptz), %(floor)s::timestamptz)::text AS since
FROM changefeed_endpoint AS endpoint
LEFT JOIN unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS known(id, since) USING (id)
LEFT JOIN LATERAL (
    SELECT due_at FROM changefeed_feedlane
    WHERE endpoint_id = endpoint.id AND due_at >= coalesce(known.since, '-infinity')
    ORDER BY due_at LIMIT 1
) AS first ON true
"""


class Horizon:
    """For each endpoint a moment before which no lane is due, as text for PostgreSQL.

    Kept per process: it makes claiming cheap and is never needed for being right. The moment is
    refreshed several times a second; every lane is looked at again as often as is cheap.
    """

    def __init__(self) -> None:
        self._since: dict[int, str] = {}
        self._refreshed_at = float("-inf")
        self._looked_at = float("-inf")
        self._looking_took = 0.0

    def since(self, endpoint_id: int) -> str:
        """Where to begin; the beginning of time while nothing is known."""
        return self._since.get(endpoint_id, BEGINNING)

    def known(self) -> dict[str, list[int] | list[str]]:
        """All of it, as parameters `ids` and `since` of a query."""
        return {"ids": list(self._since), "since": list(self._since.values())}

    def doubt(self) -> None:
        """Look from the beginning next time, if that is cheap."""
        if self._looking_took < _CHEAP_SECONDS:
            self._looked_at = float("-inf")

    async def refresh(self, connection: AsyncConnection[DictRow]) -> None:
        """Move on, if it was not done just now."""
        began = time.monotonic()
        pause = max(REFRESH_SECONDS, self._looking_took / _SHARE_FOR_LOOKING)
        looks = began - self._looked_at >= pause
        if not looks and began - self._refreshed_at < REFRESH_SECONDS:
            return
        known = {"ids": [], "since": []} if looks else self.known()
        floor = await (await connection.execute(_FLOOR)).fetchone()
        found = await connection.execute(_FIRST_PENDING, {**known, **(floor or {})})
        self._since = {row["id"]: row["since"] for row in await found.fetchall()}
        self._refreshed_at = time.monotonic()
        if looks:
            self._looked_at = self._refreshed_at
            self._looking_took = self._refreshed_at - began


_of_databases: dict[str, Horizon] = {}


def horizon_of_process() -> Horizon:
    """The one of this process and database, which the next dispatcher in it goes on from."""
    name = str(django_connection.settings_dict["NAME"])
    return _of_databases.setdefault(name, Horizon())
