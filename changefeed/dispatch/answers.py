"""What the answer to a batch says about each of its messages: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from changefeed.dispatch.sending import (
    KEPT_ANSWER_CHARACTERS,
    TRANSIENT_REFUSALS,
    Answer,
)
from changefeed.models import AttemptOutcome

_MULTI_STATUS = 207


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """The fate of one message; `is_own` when the receiver spoke of it alone."""

    outcome: AttemptOutcome
    status: int | None
    text: str
    is_own: bool = False


_MISSING = ItemOutcome(AttemptOutcome.FAILED, None, "not among the results", True)


def outcomes(answer: Answer, ids: Sequence[str], *, is_batch: bool) -> list[ItemOutcome]:
    """One outcome per message id, in the same order.

    A 2xx takes all of them, unless its body is a JSON object with `results`, a list of objects
    with `id` and `status`: then each is taken as it says there, and what is not listed was not
    taken. What is listed several times is taken only if every entry says so. A 207 must have such
    a body, a JSON body must have come to its end, and results that cannot be read as such a list
    take nothing: whoever sends results may mean that something was not stored.
    """
    whole = ItemOutcome(answer.outcome, answer.status, answer.text)
    if not is_batch or answer.outcome is not AttemptOutcome.DELIVERED:
        return [whole] * len(ids)
    try:
        listed = _results(answer.document)
        is_unclear = False
    except ValueError:
        listed, is_unclear = None, True
    if listed is not None:
        return [listed.get(one, _MISSING) for one in ids]
    if answer.status == _MULTI_STATUS or answer.is_cut or is_unclear:
        unread = ItemOutcome(AttemptOutcome.FAILED, answer.status, "the results cannot be read")
        return [unread] * len(ids)
    return [whole] * len(ids)


def _results(document: bytes) -> dict[str, ItemOutcome] | None:
    """What is said of each id, or None when nothing is; ValueError if it cannot be made out."""
    try:
        read = orjson.loads(document)
    except orjson.JSONDecodeError:
        if b'"results"' in document:
            raise
        return None
    results = read.get("results") if isinstance(read, dict) else None
    if isinstance(results, dict):
        raise ValueError("the results are no list")
    if not isinstance(results, list):
        return None
    found: dict[str, ItemOutcome] = {}
    for one in results:
        if not isinstance(one, dict):
            continue
        name, outcome = str(one.get("id")), _of(one)
        if name not in found or found[name].outcome is AttemptOutcome.DELIVERED:
            found[name] = outcome
    return found


def _of(result: dict[str, Any]) -> ItemOutcome:
    status = result.get("status")
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:
        return ItemOutcome(AttemptOutcome.FAILED, None, "a result without a status", True)
    said = {name: value for name, value in result.items() if name not in ("id", "status")}
    text = orjson.dumps(said).decode()[:KEPT_ANSWER_CHARACTERS] if said else ""
    if 200 <= status < 300:
        outcome = AttemptOutcome.DELIVERED
    elif 400 <= status < 500 and status not in TRANSIENT_REFUSALS:
        outcome = AttemptOutcome.REJECTED
    else:
        outcome = AttemptOutcome.FAILED
    return ItemOutcome(outcome, status, text, True)
