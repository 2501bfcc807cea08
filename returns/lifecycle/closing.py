"""The end of a return: everything done, or withdrawn before the goods came."""

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import WrongState
from orders.lifecycle.customers import forget_return
from orders.lifecycle.timeline import note
from returns.lifecycle.reading import locked_return, refusal
from returns.models import ReturnRequest
from returns.status import FINAL, ReturnState


@transaction.atomic
def close_return(number: str, *, actor: Actor) -> ReturnRequest:
    """Put a return away once the goods came, or once approved when none have to.

    Raises NotFound, WrongState, or AlreadyDone naming who ended it.
    """
    actor.begin()
    request = locked_return(number)
    if request.state in FINAL:
        raise refusal(request)
    if request.state == ReturnState.REQUESTED or not request.is_done:
        raise WrongState(_("The return still waits for a decision or for its goods."))
    request.mark_closed(by=actor.name, at=database_now())
    request.save()
    note(request.order, "return_closed", actor, number=number)
    return request


@transaction.atomic
def withdraw_return(number: str, *, actor: Actor, reason: str = "") -> ReturnRequest:
    """Take the wish back before goods or money moved; it no longer counts for the customer.

    Raises NotFound, WrongState, or AlreadyDone naming who ended it.
    """
    actor.begin()
    request = locked_return(number)
    was_approved = request.state == ReturnState.APPROVED
    if was_approved and not request.brings_goods:
        raise WrongState(_("The refund was asked for already; close the return instead."))
    if not was_approved and request.state != ReturnState.REQUESTED:
        raise refusal(request)
    request.mark_withdrawn(by=actor.name, at=database_now())
    request.save()
    if was_approved:
        forget_return(request.number, actor=actor)
    note(request.order, "return_withdrawn", actor, reason.strip(), number=number)
    return request
