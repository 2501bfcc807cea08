"""Feeds that are broken on purpose, one way each, which the checker must catch.

A patch that no longer finds its place raises VariantOutdated: a variant that breaks nothing
would prove nothing.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import uuid4


class VariantOutdated(Exception):
    """The product no longer has what this variant breaks; the message says what."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A broken feed, the nemesis under which it shows, and the invariants that it breaks.

    At least one of `catches` must be violated within so many `seconds` of the nemesis.
    `break_dispatcher` works in every dispatcher, `break_runner` in the process that writes, pulls
    and purges; it gives back how to undo it.
    """

    name: str
    words: str
    nemesis: str
    catches: frozenset[int]
    seconds: float = 5.0
    break_dispatcher: Callable[[], None] = lambda: None
    break_runner: Callable[[Any], Callable[[], None]] = field(default=lambda _episode: _nothing)


def _nothing() -> None:
    pass


def swapped(text: str, old: str, new: str) -> str:
    """The text with one thing replaced, which must be there."""
    if old not in text:
        raise VariantOutdated(f"not found any more: {old}")
    return text.replace(old, new)


# -- in the dispatchers --------------------------------------------------------------------------

_FENCE = "WHERE lane.lease_id = result.lease_id"
_FREE = "AND (lease_until IS NULL OR lease_until < now())"


def no_fence() -> None:
    """Send and complete without asking whether the lease still holds."""
    from changefeed.dispatch import completing
    from changefeed.dispatch.delivering import Delivery

    unfenced = swapped(completing.COMPLETE, _FENCE, "WHERE true")
    defaults = completing.complete.__defaults__ or ()
    if completing.COMPLETE not in defaults:
        raise VariantOutdated("completing.complete has no statement to replace")
    completing.complete.__defaults__ = tuple(
        unfenced if one == completing.COMPLETE else one for one in defaults
    )
    if not hasattr(Delivery, "_may_send"):
        raise VariantOutdated("Delivery._may_send")
    Delivery._may_send = lambda *_: True  # type: ignore[method-assign]


def no_claim() -> None:
    """Take lanes that somebody else holds."""
    from changefeed.dispatch import claiming

    claiming._CLAIM = swapped(claiming._CLAIM, _FREE, "")


def leaky_lanes() -> None:
    """Keep lanes with nothing left in them."""
    from changefeed.dispatch import completing

    leaky = swapped(completing.COMPLETE, "AND mine.is_empty\n), kept", "AND false\n), kept")
    completing.complete.__defaults__ = tuple(
        leaky if one == completing.COMPLETE else one
        for one in completing.complete.__defaults__ or ()
    )


def _around_send(change: Callable[[Any, Any], Any]) -> None:
    """Let `change(message, answer)` have a say in what came of each request."""
    from changefeed.dispatch.sending import Sender

    send = Sender.send

    async def broken(self: Any, *given: Any, **named: Any) -> Any:
        return change(given, await send(self, *given, **named))

    Sender.send = broken  # type: ignore[method-assign]


def drop_refused() -> None:
    """Take a 500 for an acknowledgement."""
    from changefeed.models import AttemptOutcome

    def change(_message: Any, answer: Any) -> Any:
        if answer.status == 500:
            return dataclasses.replace(answer, outcome=AttemptOutcome.DELIVERED)
        return answer

    _around_send(change)


def new_ids() -> None:
    """Give every request an id of its own."""
    from changefeed.dispatch import sending

    send = sending.Sender.send

    async def broken(self: Any, message: Any, *rest: Any, **named: Any) -> Any:
        return await send(self, dataclasses.replace(message, id=str(uuid4())), *rest, **named)

    sending.Sender.send = broken  # type: ignore[method-assign,assignment]


def blocking_retries() -> None:
    """Wait for a failed receiver in the loop that serves all of them."""

    def change(_message: Any, answer: Any) -> Any:
        if answer.status is None or answer.status >= 300:
            time.sleep(2.5)
        return answer

    _around_send(change)


def backwards() -> None:
    """Send the newest change of a subject first."""
    from changefeed.dispatch import draining

    claim = draining.claim

    async def broken(*given: Any, **named: Any) -> Any:
        lanes = await claim(*given, **named)
        for lane in lanes:
            lane.messages.reverse()
        return lanes

    draining.claim = broken


def one_secret() -> None:
    """Sign with the newest secret only."""
    from changefeed.dispatch.sending import Sender

    begin = Sender.__init__

    def broken(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        if not hasattr(self, "_keys"):
            raise VariantOutdated("Sender._keys")
        self._keys = self._keys[:1]

    Sender.__init__ = broken  # type: ignore[method-assign]


def no_jitter() -> None:
    """Wait exactly as long as everybody else."""
    from changefeed.dispatch import backoff

    if not hasattr(backoff, "draw"):
        raise VariantOutdated("backoff.draw")
    backoff.draw = lambda _least, most: most


def heedless() -> None:
    """Go on with a drain whatever people decide meanwhile."""
    from changefeed.dispatch.draining import EndpointDrain

    if not hasattr(EndpointDrain, "heed"):
        raise VariantOutdated("EndpointDrain.heed")
    EndpointDrain.heed = lambda *_: None  # type: ignore[method-assign]


def mute_replays() -> None:
    """Tell again without saying so."""
    from changefeed.dispatch import sending

    if not hasattr(sending, "REPLAY_HEADER"):
        raise VariantOutdated("sending.REPLAY_HEADER")
    sending.REPLAY_HEADER = "x-nothing"


# -- in the process that writes, pulls and purges --------------------------------------------------


def send_inside(episode: Any) -> Callable[[], None]:
    """Tell the target before the transaction commits."""
    from changefeed.dispatch.messages import message_of
    from changefeed.signatures import key_of, sign
    from tests.chaos.episode import TARGET

    url = f"http://127.0.0.1:{episode.receiver.ports[TARGET]}/hook"
    key = key_of(episode.secrets[TARGET])

    def before_commit(token: str) -> None:
        for row in _rows_of(token):
            message = message_of(row)
            at = int(time.time())
            headers = {
                "webhook-id": message.id,
                "webhook-timestamp": str(at),
                "webhook-signature": sign(message.id, at, message.body, [key]),
            }
            try:
                urlopen(Request(url, message.body, headers), timeout=5).close()
            except URLError:
                continue

    episode.workload.before_commit = before_commit
    return _nothing


def _rows_of(token: str) -> list[dict[str, Any]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq, event_id, subject_kind, subject_id, subject_version, kind, field,"
            " old::text AS old, new::text AS new, actor, source, schema_version, at"
            " FROM changefeed_change WHERE new->>'token' = %s ORDER BY seq",
            (token,),
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def pull_by_id(episode: Any) -> Callable[[], None]:
    """Serve pulling consumers what lies behind the last sequence that they saw."""
    from django.db import connection

    def fetch(_key: str, cursor_text: str) -> tuple[int, bytes]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq, event_id::text FROM changefeed_change WHERE seq > %s"
                " ORDER BY seq LIMIT 50",
                (int(cursor_text or 0),),
            )
            rows = cursor.fetchall()
        page = {
            "results": [{"id": event_id} for _seq, event_id in rows],
            "next_cursor": str(rows[-1][0]) if rows else cursor_text,
        }
        return 200, json.dumps(page).encode()

    episode.workload.fetch = fetch
    return _nothing


def purge_pending(_episode: Any) -> Callable[[], None]:
    """Purge without looking at the lanes."""
    from changefeed import retention

    whole = retention._IS_NEEDED
    lanes = "EXISTS (SELECT 1 FROM changefeed_feedlane WHERE head_seq < %(upper)s)"
    retention._IS_NEEDED = swapped(whole, lanes, "false")

    def undo() -> None:
        retention._IS_NEEDED = whole

    return undo


def skip_all(_episode: Any) -> Callable[[], None]:
    """Skip all that is pending of a subject, not only what is refused."""
    from changefeed import lifecycle

    whole = lifecycle._first_message
    lifecycle._first_message = lambda lane: (whole(lane)[0], [])

    def undo() -> None:
        lifecycle._first_message = whole

    return undo


def rash_call_off(_episode: Any) -> Callable[[], None]:
    """Call a replay off with all that waits behind it."""
    from changefeed import calling_off

    careful = calling_off._RELEASE
    calling_off._RELEASE = swapped(
        careful, "lease_id IS NULL AND fresh_from > last_seq AS is_over", "true AS is_over"
    )

    def undo() -> None:
        calling_off._RELEASE = careful

    return undo


def silent_lag(_episode: Any) -> Callable[[], None]:
    """Report that nobody waits."""
    from tests.chaos import episode as module

    honest = module.endpoint_lags
    module.endpoint_lags = lambda: [
        dataclasses.replace(one, oldest_pending_seconds=0.0) for one in honest()
    ]

    def undo() -> None:
        module.endpoint_lags = honest

    return undo


def _variant(
    name: str,
    words: str,
    nemesis: str,
    catches: set[int],
    dispatcher: Callable[[], None] = _nothing,
    runner: Callable[[Any], Callable[[], None]] = lambda _episode: _nothing,
    seconds: float = 5.0,
) -> Variant:
    return Variant(name, words, nemesis, frozenset(catches), seconds, dispatcher, runner)


VARIANTS = {
    one.name: one
    for one in (
        _variant("no-fence", "sends and completes without its lease", "stop", {4, 5}, no_fence),
        _variant("no-claim", "takes lanes that others hold", "calm", {4, 5, 17}, no_claim),
        _variant("drop-500", "drops a change after a 500", "500", {1, 3}, drop_refused),
        _variant("new-ids", "sends again under a new id", "reset", {2, 5}, new_ids),
        _variant("backwards", "sends the newest first", "dead", {3}, backwards),
        _variant("send-inside", "sends before the commit", "calm", {2, 5}, runner=send_inside),
        _variant("pull-by-id", "pulls behind the last seq", "open", {9}, runner=pull_by_id),
        _variant("purge-pending", "purges what is pending", "purge", {1, 13}, runner=purge_pending),
        _variant("one-secret", "signs with the newest secret", "rotate", {12}, one_secret),
        _variant("no-jitter", "waits without jitter", "poison", {14}, no_jitter, seconds=8),
        _variant("blocking", "poison holds up others", "poison", {6}, blocking_retries, seconds=8),
        _variant(
            "blocking-all", "a failing one holds up others", "500", {7}, blocking_retries, seconds=8
        ),
        _variant("silent-lag", "reports no lag", "dead", {15}, runner=silent_lag),
        _variant("heedless", "goes on sending when paused", "pause", {18}, heedless),
        _variant("mute-replay", "replays without saying so", "replay", {5}, mute_replays),
        _variant("rash", "calls off what was pending too", "call-off", {1}, runner=rash_call_off),
        _variant("skip-all", "skips a whole subject", "park", {1}, runner=skip_all),
        _variant("leaky-lanes", "keeps empty lanes", "calm", {1, 16}, leaky_lanes),
    )
}
