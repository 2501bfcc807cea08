"""Asking for goods to be taken back: against delivered lines, never more units than bought."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import DifferentBody, FieldError, ReasonMissing
from orders.lifecycle.reading import locked_order_by_number
from orders.lifecycle.timeline import note
from orders.models import Order
from returns.errors import InvalidReturn
from returns.models import ReturnLine, ReturnRequest
from returns.refunds import NOTHING, refund_for
from returns.standing import ReturnableLine, returnable_lines
from returns.status import ReturnKind

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class RequestedLine:
    """Units of the order line at a position."""

    position: int
    quantity: int


def request_return(
    order_number: str,
    lines: Sequence[RequestedLine],
    *,
    kind: str,
    reason: str,
    actor: Actor,
    request_id: str = "",
) -> ReturnRequest:
    """Record a wish to return delivered lines; it waits for a decision.

    The same `request_id` from the same source again is the same request and changes nothing.
    Raises NotFound, ReasonMissing, InvalidReturn naming lines, and DifferentBody when the
    request id came before with other content.
    """
    if not reason.strip():
        raise ReasonMissing
    body_hash = _body_hash(order_number, lines, kind, reason)
    try:
        return _request(order_number, lines, kind, reason.strip(), actor, request_id, body_hash)
    except IntegrityError as error:
        if _broken_constraint(error) != "one_return_per_request_id":
            raise
        # A twin with the same request id, for another order, was faster.
        known = _known(actor, request_id, body_hash)
        if known is None:
            raise
        return known


@transaction.atomic
def _request(
    order_number: str,
    lines: Sequence[RequestedLine],
    kind: str,
    reason: str,
    actor: Actor,
    request_id: str,
    body_hash: str,
) -> ReturnRequest:
    actor.begin()
    order = locked_order_by_number(order_number)
    if request_id:
        known = _known(actor, request_id, body_hash)
        if known is not None:
            return known
    chosen = _checked(order, lines, kind)
    refunds = [_refund(line, units, kind) for line, units in chosen]
    now = database_now()
    request = ReturnRequest.objects.create(
        number=f"RT-{now:%y%m%d}-{''.join(secrets.choice(_ALPHABET) for _digit in range(8))}",
        order=order,
        customer_id=order.customer_id,
        kind=kind,
        reason=reason,
        refund_amount=sum(refunds, NOTHING),
        source=actor.source,
        request_id=request_id,
        body_hash=body_hash,
        requested_by=actor.name,
        requested_at=now,
    )
    ReturnLine.objects.bulk_create(
        ReturnLine(request=request, order_line=line.line, quantity=units, refund_amount=refund)
        for (line, units), refund in zip(chosen, refunds, strict=True)
    )
    note(order, "return_requested", actor, reason, number=request.number)
    return request


def _body_hash(order: str, lines: Sequence[RequestedLine], kind: str, reason: str) -> str:
    body = [order, sorted((line.position, line.quantity) for line in lines), kind, reason.strip()]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def _broken_constraint(error: IntegrityError) -> str:
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def _known(actor: Actor, request_id: str, body_hash: str) -> ReturnRequest | None:
    """The request of this id, or None. Raises DifferentBody when it asked for something else."""
    known = ReturnRequest.objects.filter(source=actor.source, request_id=request_id).first()
    if known is not None and known.body_hash != body_hash:
        raise DifferentBody
    return known


def _checked(
    order: Order, lines: Sequence[RequestedLine], kind: str
) -> list[tuple[ReturnableLine, int]]:
    if kind not in ReturnKind.values:
        raise InvalidReturn([FieldError("kind", "unknown_kind", _("There is no such kind."))])
    standing = {one.line.position: one for one in returnable_lines(order, kind, database_now())}
    errors, chosen, seen = [], [], set()
    for index, line in enumerate(lines):
        found = standing.get(line.position)
        problem = _problem(line, found, line.position in seen)
        if problem is not None:
            errors.append(FieldError(f"lines[{index}].{problem[0]}", *problem[1:]))
        elif found is not None:
            chosen.append((found, line.quantity))
        seen.add(line.position)
    if not lines:
        errors.append(FieldError("lines", "too_short", _("Choose at least one line.")))
    if errors:
        raise InvalidReturn(errors)
    return sorted(chosen, key=lambda pair: pair[0].line.position)


def _problem(
    line: RequestedLine, found: ReturnableLine | None, is_repeated: bool
) -> tuple[str, str, str] | None:
    if found is None:
        return "position", "unknown_line", _("The order has no such line.")
    if is_repeated:
        return "position", "repeated_line", _("The line is named twice.")
    if found.eligibility.obstacle is not None:
        obstacle = found.eligibility.obstacle
        return "position", obstacle.value, str(obstacle.message)
    if not 1 <= line.quantity <= found.eligibility.units:
        message = _("At most %(units)s can be returned, and at least 1.")
        return "quantity", "too_many", message % {"units": found.eligibility.units}
    return None


def _refund(line: ReturnableLine, units: int, kind: str) -> Decimal:
    if kind == ReturnKind.EXCHANGE:
        return NOTHING
    return refund_for(
        line.paid,
        line.line.quantity,
        units,
        returned_units=line.standing.returning,
        returned_amount=line.returned_amount,
    )
