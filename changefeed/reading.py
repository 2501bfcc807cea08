"""Pages of committed changes for pulling consumers, which never overtake a transaction in flight.

Changes are handed out in windows between two snapshots, sorted by sequence inside a window. A
transaction that was in flight at the first snapshot and has committed by the second belongs to
the window, however low its sequence; and a change that another saw before it was written comes
in the same window or an earlier one.
"""

from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from changefeed.errors import BadCursor, CursorExpired
from changefeed.models import ApiKey, PullCursor, PullWindow

BEGINNING = "1:1:"
_SALT = "changefeed.cursor"

# `seq + 0` keeps the planner from walking the primary key for the smallest matching sequence:
# the window is found by its transactions, which are few among many.
_OPEN_WINDOW = """
WITH taken AS MATERIALIZED (SELECT pg_current_snapshot() AS until, %(since)s::pg_snapshot AS since)
SELECT taken.until::text, bounds.first_seq, bounds.last_seq,
       pg_snapshot_xmax(taken.since) > pg_snapshot_xmax(taken.until)
FROM taken CROSS JOIN LATERAL (
    SELECT min(seq + 0) AS first_seq, max(seq + 0) AS last_seq
    FROM changefeed_change
    WHERE xid >= pg_snapshot_xmin(taken.since) AND xid < pg_snapshot_xmax(taken.until)
      AND NOT pg_visible_in_snapshot(xid, taken.since)
      AND pg_visible_in_snapshot(xid, taken.until)
) AS bounds
"""

_PAGE = """
SELECT seq, event_id, subject_kind, subject_id, subject_version, kind, field,
       old::text AS old, new::text AS new, actor, source, schema_version, at
FROM changefeed_change
WHERE seq > %(after)s AND seq >= %(first)s AND seq <= %(last)s
  AND (%(subjects)s::text[] = '{}' OR subject_kind = ANY (%(subjects)s::text[]))
  AND changefeed_wants(%(kinds)s::text[], %(fields)s::text[], kind, field)
  AND NOT pg_visible_in_snapshot(xid, %(since)s::pg_snapshot)
  AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)
ORDER BY seq LIMIT %(limit)s
"""

_KEPT_FROM = """
SELECT coalesce(min(substring(child.relname FROM '[0-9]+$')::bigint), 0) * 1000000
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'changefeed_change'::regclass AND child.relname ~ '_p[0-9]+$'
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a consumer asks for; an empty list means all, a kind may end in `.*`."""

    subjects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Page:
    """Change rows in order, the cursor to show next, and whether its window holds more."""

    rows: list[dict[str, Any]]
    next_cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True, order=True)
class _Position:
    """Behind `after_seq` of a window; window 0 is the beginning."""

    window_id: int
    after_seq: int


@transaction.atomic
def read_page(
    key: ApiKey, cursor_text: str | None, limit: int, wanted: Wanted = EVERYTHING
) -> Page:
    """Up to `limit` wanted changes behind the cursor, or from the beginning without one.

    A cursor always yields the same changes for the same wishes, and showing it acknowledges all
    before it. A page is empty when nothing happened, which returns the cursor that was shown, or
    nothing wanted, which returns the next. Raises BadCursor for one that we did not give to this
    key, and CursorExpired for one whose window is no longer kept.
    """
    PullCursor.objects.get_or_create(api_key=key)
    consumer = PullCursor.objects.select_for_update().get(api_key=key)
    position = _decode(cursor_text, key) if cursor_text else _Position(0, 0)
    _acknowledge(consumer, position)
    window = _window_at(consumer, position)
    if window is None:
        return Page([], _encode(position, key), has_more=False)
    after = position.after_seq if window.pk == position.window_id else 0
    rows = _rows(window, after, limit, wanted)
    has_more = len(rows) == limit and rows[-1]["seq"] < window.last_seq
    reached = rows[-1]["seq"] if has_more else window.last_seq
    return Page(rows, _encode(_Position(window.pk, reached), key), has_more)


@transaction.atomic
def cursor_for_now(key: ApiKey) -> str:
    """A cursor behind everything that is committed now, for a consumer that knows the state.

    What is in flight at this moment comes with its first page.
    """
    PullCursor.objects.get_or_create(api_key=key)
    consumer = PullCursor.objects.select_for_update().get(api_key=key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        (now,) = cursor.fetchone()
    window = _new_window(
        cursor=consumer,
        # It continues no other window; each of these begins a chain of its own.
        previous=-1 - (consumer.windows.aggregate(latest=Max("id"))["latest"] or 0),
        since=BEGINNING,
        until=now,
        first_seq=0,
        last_seq=0,
    )
    return _encode(_Position(window.pk, 0), key)


def latest_seq() -> int:
    """The highest sequence drawn so far, committed or not; tells cheaply that nothing is new."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM changefeed_change_seq")
        return int(cursor.fetchone()[0])


def _acknowledge(consumer: PullCursor, position: _Position) -> None:
    acknowledged = _Position(consumer.window_id or 0, consumer.after_seq)
    consumer.window_id = position.window_id or None
    consumer.after_seq = position.after_seq
    consumer.seen_at = Now()
    if consumer.window_id and not consumer.windows.filter(pk=consumer.window_id).exists():
        raise CursorExpired("this cursor is older than what is kept")
    goes_back = position.window_id > 0 and position < acknowledged
    if goes_back and _has_lost_some(consumer, position):
        raise CursorExpired("what is behind this cursor was acknowledged and is no longer kept")
    consumer.save(update_fields=["window", "after_seq", "seen_at"])


def _has_lost_some(consumer: PullCursor, position: _Position) -> bool:
    """Whether retention took something behind the position: what was acknowledged is not kept."""
    with connection.cursor() as cursor:
        cursor.execute(_KEPT_FROM)
        (kept_from,) = cursor.fetchone()
    windows = consumer.windows.filter(pk__gte=position.window_id, last_seq__gt=0)
    return any(
        max(first, position.after_seq + 1 if pk == position.window_id else 0) < kept_from
        for pk, first, last in windows.values_list("pk", "first_seq", "last_seq")
        if pk != position.window_id or position.after_seq < last
    )


def _window_at(consumer: PullCursor, position: _Position) -> PullWindow | None:
    """The window that the position points into, fixed now if it is new; None if it is empty."""
    since = BEGINNING
    if position.window_id:
        current = consumer.windows.get(pk=position.window_id)
        if position.after_seq < current.last_seq:
            return current
        since = current.until
    following = consumer.windows.filter(previous=position.window_id).first()
    return following or _open_window(consumer, position.window_id, since)


def _open_window(consumer: PullCursor, previous: int, since: str) -> PullWindow | None:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_WINDOW, {"since": since})
        until, first_seq, last_seq, is_of_another_server = cursor.fetchone()
    if is_of_another_server:
        raise CursorExpired("this cursor counts as another server did; see changefeed.restored")
    if first_seq is None:
        return None
    return _new_window(
        cursor=consumer,
        previous=previous,
        since=since,
        until=until,
        first_seq=first_seq,
        last_seq=last_seq,
    )


def _new_window(**fields: Any) -> PullWindow:
    """Dated by the database, which also says when it is old."""
    window = PullWindow.objects.create(**fields)
    PullWindow.objects.filter(pk=window.pk).update(created_at=Now())
    return window


def _rows(window: PullWindow, after: int, limit: int, wanted: Wanted) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            _PAGE,
            {
                "after": after,
                "first": window.first_seq,
                "last": window.last_seq,
                "since": window.since,
                "until": window.until,
                "limit": limit,
                "subjects": list(wanted.subjects),
                "kinds": list(wanted.kinds),
                "fields": list(wanted.fields),
            },
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _encode(position: _Position, key: ApiKey) -> str:
    payload = (key.pk, position.window_id, position.after_seq)
    return signing.Signer(salt=_SALT).sign_object(payload)


def _decode(text: str, key: ApiKey) -> _Position:
    try:
        key_id, window_id, after_seq = signing.Signer(salt=_SALT).unsign_object(text)
    except (signing.BadSignature, ValueError):
        raise BadCursor("this cursor was not issued here") from None
    if key_id != key.pk:
        raise BadCursor("this cursor belongs to another consumer")
    return _Position(window_id, after_seq)
