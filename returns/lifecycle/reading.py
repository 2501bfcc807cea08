"""Returns of the database as the acts need them: locked, their order first."""

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from orders.errors import AlreadyDone, NotFound, OrderError, WrongState
from orders.lifecycle.reading import locked_order
from returns.models import ReturnRequest
from returns.status import ReturnState


def locked_return(number: str) -> ReturnRequest:
    """The request under its row lock, after that of its order. Raises NotFound."""
    found = ReturnRequest.objects.filter(number=number).values_list("pk", "order_id").first()
    if found is None:
        raise NotFound
    order = locked_order(found[1])
    request = ReturnRequest.objects.select_for_update(of=("self",)).get(pk=found[0])
    request.order = order
    return request


def refusal(request: ReturnRequest) -> OrderError:
    """Why an act cannot follow the request's state; who was first, and when, where someone was."""
    state = ReturnState(request.state)
    who, at = {
        ReturnState.APPROVED: (request.decided_by, request.decided_at),
        ReturnState.REFUSED: (request.decided_by, request.decided_at),
        ReturnState.RECEIVED: (request.received_by, request.received_at),
        ReturnState.CLOSED: (request.ended_by, request.ended_at),
        ReturnState.WITHDRAWN: (request.ended_by, request.ended_at),
    }.get(state, ("", None))
    if not who or at is None:
        return WrongState(_("The return is %(state)s.") % {"state": state.label})
    return AlreadyDone(
        _("The return is %(state)s already: %(who)s at %(when)s.")
        % {
            "state": state.label,
            "who": who.partition(":")[2] or who,
            "when": date_format(localtime(at), "Y-m-d H:i:s"),
        }
    )
