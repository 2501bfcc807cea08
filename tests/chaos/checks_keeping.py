"""Invariants about secrets, retention and the size of the table of lanes; pure."""

from tests.chaos.histories import History
from tests.chaos.reading import first_answers, wanted_by
from tests.chaos.violations import Violation, violation

# Room for the table's first pages and for what vacuum has not come round to.
LANE_BYTES_FLOOR = 4 * 1024**2
BYTES_PER_LANE = 4 * 1024


def signatures_verify(history: History) -> list[Violation] | None:
    """12. Old and new secrets both verify during rotation; every message verifies at any time."""
    if not history.deliveries:
        return None
    forged = [one for one in history.deliveries if not one.verified]
    if not forged:
        return []
    words = f"{len(forged)} messages did not verify with the secret that the receiver holds"
    return [violation(words, *forged)]


def nothing_pending_is_purged(history: History) -> list[Violation] | None:
    """13. Nothing undelivered is purged."""
    if not history.purges:
        return None
    found = []
    changes = {one.id: one for one in history.changes}
    for purge in history.purges:
        removed = [changes[one] for one in purge.removed if one in changes]
        for endpoint in history.endpoints:
            wanted = {one.id for one in wanted_by(endpoint, history)}
            answers = first_answers(history, endpoint.name)
            early = [
                one
                for one in removed
                if one.id in wanted and (one.id not in answers or answers[one.id].ended > purge.at)
            ]
            if early:
                words = f"{len(early)} changes were purged before {endpoint.name} had them"
                found.append(violation(words, *early))
        for consumer in sorted({page.consumer for page in history.pages}):
            pulled = {
                one
                for page in history.pages
                if page.consumer == consumer and page.began < purge.at
                for one in page.ids
            }
            early = [one for one in removed if one.id not in pulled]
            if early:
                words = f"{len(early)} changes were purged before {consumer} had pulled them"
                found.append(violation(words, *early))
    return found


def lanes_are_bounded(history: History) -> list[Violation] | None:
    """16. The table of lanes holds what is pending and no more."""
    if history.lanes_at_rest is None or history.lane_bytes is None:
        return None
    found = []
    if history.lanes_at_rest:
        words = f"{history.lanes_at_rest} lanes are left with nothing to deliver"
        found.append(violation(words))
    pairs = {
        (endpoint.name, change.subject)
        for endpoint in history.endpoints
        for change in wanted_by(endpoint, history)
    }
    most = LANE_BYTES_FLOOR + BYTES_PER_LANE * len(pairs)
    if history.lane_bytes > most:
        words = f"the table of lanes takes {history.lane_bytes:,} bytes for {len(pairs)} lanes"
        found.append(violation(words, f"at most {most:,} are expected"))
    return found
