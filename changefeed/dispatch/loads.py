"""What goes into one request: messages of one or many lanes, in order, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from changefeed.dispatch.answers import ItemOutcome
from changefeed.dispatch.claiming import ClaimedLane
from changefeed.dispatch.messages import Message
from changefeed.models import AttemptOutcome

# A request grows no larger than this by filling up; one message may be larger.
MOST_BYTES = 512 * 1024


@dataclass(slots=True)
class Load:
    """The next messages of one lane within a request; `failure` ends its turn."""

    lane: ClaimedLane
    messages: list[Message]
    failure: ItemOutcome | None = None
    retry_after: float | None = None
    is_counted: bool = True

    def take(self, results: Sequence[ItemOutcome]) -> tuple[int, ItemOutcome | None]:
        """Note the outcomes of the lane's next messages; how many arrived, and what then failed.

        What is said about messages behind the first failure does not count: they come again.
        """
        arrived = 0
        for result in results:
            if result.outcome is not AttemptOutcome.DELIVERED:
                self.failure = result
                break
            arrived += 1
        if arrived:
            self.lane.arrived += arrived
            self.lane.attempts = self.lane.rejections = 0
        return arrived, self.failure


Item = tuple[Load, Message]


def room_for(lane: ClaimedLane, batch_size: int) -> int:
    """How many messages a request may hold that begins with this lane.

    After failures fewer and fewer, so that what keeps failing soon travels alone and takes
    nobody with it.
    """
    return max(1, batch_size >> min(2 * lane.attempts, 32))


def load_of(lane: ClaimedLane, room: int, room_bytes: int) -> Load:
    """The lane's next messages, as many as fit but one at least; replays go apart from the rest."""
    chosen: list[Message] = []
    for message in lane.waiting[:room]:
        if chosen and (message.is_replay != chosen[0].is_replay or len(message.body) > room_bytes):
            break
        chosen.append(message)
        room_bytes -= len(message.body)
    return Load(lane, chosen)


def may_join(lane: ClaimedLane, first: ClaimedLane) -> bool:
    """Whether a lane may travel with the lane that a request begins with."""
    if not lane.waiting:
        return False
    return (lane.attempts == 0) == (first.attempts == 0) and (
        lane.waiting[0].is_replay == first.waiting[0].is_replay
    )


def halves(items: list[Item]) -> tuple[list[Item], list[Item]]:
    """Two parts of a refused request; the first is sent first, so every lane keeps its order."""
    middle = len(items) // 2
    return items[:middle], items[middle:]
