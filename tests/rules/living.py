"""Small helpers for tests of a version's life."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from changefeed.models import Change
from rules import lifecycle
from rules.models import RuleSet
from rules.scheduling import Dropped, last_dropped
from tests.rules.documents import LIVE_RULE, document

ALICE, BOB, CAROL = "user:alice", "user:bob", "user:carol"


def full(**changes: object) -> dict[str, Any]:
    """The Xinjiang rule in document form with nothing left out."""
    defaults = {"on_missing": "no_match", "status": "live", "valid_from": None, "valid_until": None}
    return LIVE_RULE | defaults | changes


def draft_of(*rules: dict[str, Any], actor: str = ALICE) -> RuleSet:
    """The draft, replaced by these rules."""
    return lifecycle.import_document(document(*rules), actor)


def published(*rules: dict[str, Any], actor: str = ALICE) -> RuleSet:
    """A live version of these rules."""
    return lifecycle.publish(draft_of(*rules, actor=actor), actor, "why")


def latest() -> int:
    """The last sequence number of the feed."""
    return Change.objects.values_list("seq", flat=True).order_by("-seq").first() or 0


def changes(*, since: int = 0) -> list[tuple[str, str, str]]:
    """(kind, subject, actor) of the feed, oldest first."""
    found = Change.objects.filter(seq__gt=since).order_by("seq")
    return [(change.kind, change.subject_id, change.actor) for change in found]


def states() -> dict[int, str]:
    """State by version."""
    return dict(RuleSet.objects.order_by("version").values_list("version", "state"))


def dropped(ruleset: RuleSet) -> Dropped:
    """The schedule that was taken off last."""
    found = last_dropped(ruleset)
    assert found is not None
    return found


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts at once, each on a connection of its own; what each returned or raised."""
    start = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        try:
            start.wait()
            results[number] = acts[number]()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
