"""Who acts: the name that the feed, the timeline and the ledgers carry."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from changefeed.recording import ACT_AS, act_as
from changefeed.tasks import nudge


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` reads user:alice, key:WMS, customer:C-88 or system; `source` is the door or system."""

    name: str
    source: str = "sluice"
    user_id: int | None = None
    event_id: str = ""

    def begin(self) -> None:
        """Name the actor for every change of the running transaction, and have them sent soon."""
        act_as(self.name, source=self.source, source_event_id=self.event_id)
        transaction.on_commit(nudge)

    def naming(self) -> tuple[str, ...]:
        """What `begin` does, but as a statement and its parameters, to be sent with others."""
        transaction.on_commit(nudge)
        return (ACT_AS, self.name, self.source, self.event_id)


SYSTEM = Actor("system")


def user_actor(user: Any, source: str = "admin") -> Actor:
    """The actor for a signed-in person."""
    return Actor(f"user:{user.get_username()}", source, user.pk)


def key_actor(key: Any, event_id: str = "") -> Actor:
    """The actor for an API key; its source system is where its changes come from."""
    return Actor(f"key:{key.name}", key.source, event_id=event_id)
