"""Taking orders in: checked, screened, reserved, held or cleared, and recorded, all at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection, transaction
from django.utils.translation import get_language

from orders.actors import Actor
from orders.errors import FieldError, InvalidOrder, OrderError
from orders.intake.answers import Outcome, Placed
from orders.intake.coalescing import Coalescer
from orders.intake.document import clean, read_document
from orders.lifecycle.batches import Batch, Candidate
from orders.lifecycle.stock import StockGone

ATTEMPTS = 5


_together: Coalescer[Placed] = Coalescer()


def body_hash(raw: Any) -> str:
    """Hex digest that is equal for equal JSON, whatever the order of its keys."""
    try:
        canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        canonical = json.dumps(raw, sort_keys=True, default=str).encode()
    return hashlib.sha256(canonical).hexdigest()


def place_order(raw: Any, *, actor: Actor, key: str = "") -> Placed:
    """Take one order document in; see place_orders."""
    return place_orders([raw], actor=actor, keys=[key])[0]


def place_together(raw: Any, *, actor: Actor, key: str = "") -> Placed:
    """Like place_order, in one transaction with what other threads place at the same moment."""
    if connection.in_atomic_block or actor.event_id:
        return place_order(raw, actor=actor, key=key)

    def place(raws: Sequence[Any], keys: Sequence[str]) -> list[Placed]:
        return place_orders(raws, actor=actor, keys=keys)

    # Messages are written in the language of the thread that does the work.
    return _together.serve((actor, get_language()), raw, key, place)


def place_orders(
    raws: Sequence[Any], *, actor: Actor, keys: Sequence[str] | None = None
) -> list[Placed]:
    """Take order documents in, one answer each; a wrong one harms no other.

    Equal content under a number or key seen before is a replay and changes nothing; different
    content is a conflict. All good orders of a call are stored in one transaction.
    """
    answers: dict[int, Placed] = {}
    candidates: list[Candidate] = []
    repeats: list[Candidate] = []
    seen: set[tuple[str, str]] = set()
    for index, raw in enumerate(raws):
        try:
            document = read_document(raw)
        except InvalidOrder as invalid:
            answers[index] = Placed(Outcome.INVALID, number=_number_of(raw), errors=invalid.errors)
            continue
        candidate = Candidate(index, document, body_hash(raw), keys[index] if keys else "")
        names = {("number", document.number)}
        if candidate.key:
            names.add(("key", candidate.key))
        (repeats if names & seen else candidates).append(candidate)
        seen |= names
    answers |= _place(candidates, actor)
    for repeat in repeats:
        answers |= _place([repeat], actor)
    return [answers[index] for index in range(len(raws))]


def _number_of(raw: Any) -> str:
    number = raw.get("number") if isinstance(raw, Mapping) else None
    return clean(number)[:64] if isinstance(number, str) else ""


def _place(candidates: Sequence[Candidate], actor: Actor) -> dict[int, Placed]:
    """Store the candidates in one transaction; when one breaks it, each in its own.

    A unique violation means that a concurrent call stored one of them meanwhile: the next
    attempt finds it and answers with a replay.
    """
    if not candidates:
        return {}
    is_late = is_scarce = False
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return Batch(candidates, actor, is_late=is_late, is_scarce=is_scarce).run()
        except StockGone:
            # Somebody was quicker: the next attempt looks at the stock under its lock.
            if is_scarce:
                raise
            is_scarce = True
        except psycopg.errors.QueryCanceled:
            # What screening reads did not come in time: the orders come in all the same, held.
            if is_late:
                raise
            is_late = True
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            if attempt == ATTEMPTS - 1 and len(candidates) == 1:
                raise
        except (psycopg.errors.DataError, psycopg.errors.IntegrityError):
            if len(candidates) == 1:
                raise
            break
    answers: dict[int, Placed] = {}
    for candidate in candidates:
        try:
            answers |= _place([candidate], actor)
        except (psycopg.errors.DataError, psycopg.errors.IntegrityError):
            answers[candidate.index] = Placed(
                Outcome.INVALID,
                number=candidate.document.number,
                errors=[FieldError("", "not_storable", str(OrderError.default))],
            )
    return answers
