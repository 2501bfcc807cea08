"""What an act on the board answers: done or refused, in a sentence, with what comes next."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from orders.admin.board.pane import hold_again
from orders.display import exact
from orders.errors import OrderError
from orders.models import Hold, Order, StopRequest
from orders.status import FollowUp, HoldState, OrderState

STATUS = {
    "already_done": 409,
    "wrong_state": 409,
    "version_conflict": 409,
    "out_of_stock": 409,
    "not_allowed": 403,
    "not_found": 404,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is empty when the act was done; `again` says how it can be stopped, see Powers."""

    ok: bool
    message: str = ""
    code: str = ""
    again: str = ""

    @classmethod
    def refused(cls, error: OrderError) -> "Answer":
        return cls(ok=False, message=error.message, code=error.code)

    @property
    def status(self) -> int:
        return 200 if self.ok else STATUS.get(self.code, 422)

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "message": self.message, "code": self.code, "again": self.again}


def act_answer(answer: Answer, hold: Hold, request: HttpRequest) -> Answer:
    """The sentence for what was done; a repeat of one's own act counts as done."""
    repeated = (
        answer.code == "already_done"
        and hold.resolved_by == f"user:{request.user.get_username()}"
        and _asked_for(request, hold)
    )
    if repeated:
        answer = Answer(ok=True)
    if not answer.ok:
        return answer
    stop = hold.order.stop_requests.order_by("-id").first()
    again = hold_again(hold, stop) if request.user.has_perm("orders.stop_order") else ""
    return Answer(ok=True, message=_sentence(hold, stop), again=again)


def _asked_for(request: HttpRequest, hold: Hold) -> bool:
    """Whether the hold is already as this request wants it."""
    if request.path.endswith("/release/"):
        return hold.state == HoldState.RELEASED
    if request.path.endswith("/uphold/"):
        return hold.state == HoldState.UPHELD and hold.follow_up == request.POST.get(
            "follow_up", ""
        )
    return False


def _sentence(hold: Hold, stop: StopRequest | None) -> str:
    order = hold.order
    if stop and stop.state == StopRequest.State.WAITING:
        return _("The warehouse was asked to stop order %(number)s; its answer will show here.") % {
            "number": order.number
        }
    if hold.state == HoldState.OPEN:
        return ""
    if hold.state == HoldState.UPHELD:
        if hold.follow_up != FollowUp.CORRECTION:
            return _(
                "Order %(number)s is cancelled; its stock is free again and the refund requested."
            ) % {"number": order.number}
        return _("Order %(number)s waits for a correction and is then screened again.") % {
            "number": order.number
        }
    return went_where(order)


def went_where(order: Order) -> str:
    """Where a released order stands now, and where it goes."""
    names = {
        "number": order.number,
        "warehouse": order.warehouse.name if order.warehouse else "",
        "courier": order.courier.name if order.courier else "",
        "state": OrderState(order.state).label,
        "when": exact(order.dispatch_after)[:10] if order.dispatch_after else "",
    }
    if order.state == OrderState.DISPATCHED:
        if order.courier:
            return (
                _("Released. Order %(number)s is dispatched to %(warehouse)s, by %(courier)s.")
                % names
            )
        return _("Released. Order %(number)s is dispatched to %(warehouse)s.") % names
    if order.state == OrderState.ON_HOLD:
        return _("Released. Order %(number)s is still held for another reason.") % names
    if order.state == OrderState.READY and order.dispatch_after:
        return _("Released. Order %(number)s is ready and leaves from %(when)s.") % names
    return _("Released. Order %(number)s is now: %(state)s.") % names
