"""A person's answer to a request: approved or refused, by one person only."""

from django.db import transaction

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import ReasonMissing
from orders.lifecycle.customers import record_return
from orders.lifecycle.timeline import note
from returns.lifecycle.reading import locked_return, refusal
from returns.lifecycle.refunding import ask_refund
from returns.models import ReturnRequest
from returns.status import ReturnState


@transaction.atomic
def approve_return(number: str, *, actor: Actor, reason: str = "") -> ReturnRequest:
    """Agree to take the goods back; from now on it counts in the customer's return facts.

    When no goods have to come back, the refund is asked for on the feed. Raises NotFound, or
    AlreadyDone naming who decided first.
    """
    actor.begin()
    request = locked_return(number)
    if request.state != ReturnState.REQUESTED:
        raise refusal(request)
    now = database_now()
    request.mark_approved(by=actor.name, at=now, reason=reason.strip())
    request.save()
    record_return(
        request.customer_id,
        reference=request.number,
        order_number=request.order.number,
        at=now,
        actor=actor,
    )
    if not request.brings_goods:
        ask_refund(request)
    note(request.order, "return_approved", actor, reason.strip(), number=number)
    return request


@transaction.atomic
def refuse_return(number: str, *, actor: Actor, reason: str) -> ReturnRequest:
    """Decline the request; its units may be asked back again.

    Raises ReasonMissing, NotFound, or AlreadyDone naming who decided first.
    """
    if not reason.strip():
        raise ReasonMissing
    actor.begin()
    request = locked_return(number)
    if request.state != ReturnState.REQUESTED:
        raise refusal(request)
    request.mark_refused(by=actor.name, at=database_now(), reason=reason.strip())
    request.save()
    note(request.order, "return_refused", actor, reason.strip(), number=number)
    return request
