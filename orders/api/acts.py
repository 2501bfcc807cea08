"""Acts on one order over HTTP: change, cancel, release or uphold a hold."""

from typing import ClassVar

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from orders.actors import Actor
from orders.api import lookups
from orders.api.answers import OrderAnswer
from orders.api.base import ScopedView, actor_of, entity_tag, expected_version
from orders.api.requests import ReasonDocument, UpholdDocument, as_object, read
from orders.errors import AlreadyDone, NotFound
from orders.intake.change import ChangeDocument
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.holds import release_hold, uphold_hold
from orders.models import Hold, Order, StopRequest, TimelineEntry
from orders.status import HoldState, OrderState

IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": '^(W/)?"[0-9]{1,9}"$', "examples": ['"3"']},
    OpenApiParameter.HEADER,
    required=True,
    description="The version that is changed, as ETag gave it.",
)
ASKED = "The warehouse has the order: it was asked to stop, and its answer decides."


def answer(number: str) -> Response:
    """The order as it is now: 200, or 202 while a warehouse has to answer first."""
    order = lookups.whole_order(number)
    waiting = any(one.state == StopRequest.State.WAITING for one in order.stop_requests.all())
    return Response(
        OrderAnswer(order).data,
        status=status.HTTP_202_ACCEPTED if waiting else status.HTTP_200_OK,
        headers={"ETag": entity_tag(order.version)},
    )


def change(request: Request, number: str) -> Response:
    """Change key fields of the version named in If-Match."""
    version = expected_version(request)
    fields = as_object(request.data)
    lookups.require_readable(number)
    change_order(number, version=version, fields=fields, actor=actor_of(request))
    return answer(number)


CHANGE_SCHEMA = extend_schema(
    operation_id="orders_change",
    summary="Change key fields",
    description="Fields left out stay as they are. The order is screened again. 409 with "
    "`current_version` when somebody changed it meanwhile.",
    request=ChangeDocument,
    parameters=[IF_MATCH],
    responses={200: OrderAnswer, 202: OrderAnswer},
    tags=["orders"],
)


class CancelView(ScopedView):
    """Cancel an order."""

    scopes: ClassVar[dict[str, str]] = {"POST": "orders:write"}

    @extend_schema(
        operation_id="orders_cancel",
        summary="Cancel an order",
        description=f"Stock comes back, the refund is asked for on the feed. 202: {ASKED} "
        "Repeating it answers with the order as it is; 409 when somebody else was first.",
        request=ReasonDocument,
        responses={200: OrderAnswer, 202: OrderAnswer},
        tags=["orders"],
    )
    def post(self, request: Request, number: str) -> Response:
        asked = read(ReasonDocument, request.data)
        actor = actor_of(request)
        lookups.require_readable(number)
        try:
            order = cancel_order(number, actor=actor, reason=asked.reason)
        except AlreadyDone:
            if not _waits_for(number, actor):
                raise
        else:
            if order.state == OrderState.CANCELLED:
                _require_own_cancellation(order, actor)
        return answer(number)


class ReleaseView(ScopedView):
    """Release a hold."""

    scopes: ClassVar[dict[str, str]] = {"POST": "holds:release"}

    @extend_schema(
        operation_id="holds_release",
        summary="Release a hold",
        description="When nothing else holds the order, it is routed and dispatched at once. "
        "Repeating it answers with the order as it is; 409 when somebody else was first.",
        request=ReasonDocument,
        responses={200: OrderAnswer, 202: OrderAnswer},
        tags=["holds"],
    )
    def post(self, request: Request, number: str, hold_id: int) -> Response:
        asked = read(ReasonDocument, request.data)
        actor = actor_of(request)
        hold = _hold_of(number, hold_id)
        try:
            release_hold(hold.pk, actor=actor, reason=asked.reason)
        except AlreadyDone:
            _require_same(hold, actor, HoldState.RELEASED)
        return answer(number)


class UpholdView(ScopedView):
    """Uphold a hold."""

    scopes: ClassVar[dict[str, str]] = {"POST": "holds:release"}

    @extend_schema(
        operation_id="holds_uphold",
        summary="Confirm a hold",
        description="`cancel` cancels the order; `correction` waits until a key field changes. "
        "Repeating it answers with the order as it is; 409 when somebody else was first.",
        request=UpholdDocument,
        responses={200: OrderAnswer, 202: OrderAnswer},
        tags=["holds"],
    )
    def post(self, request: Request, number: str, hold_id: int) -> Response:
        asked = read(UpholdDocument, request.data)
        actor = actor_of(request)
        hold = _hold_of(number, hold_id)
        try:
            uphold_hold(hold.pk, actor=actor, reason=asked.reason, follow_up=asked.follow_up)
        except AlreadyDone:
            _require_same(hold, actor, HoldState.UPHELD, asked.follow_up)
        return answer(number)


def _hold_of(number: str, hold_id: int) -> Hold:
    lookups.require_readable(number)
    hold = Hold.objects.filter(pk=hold_id, order__number=number).first()
    if hold is None:
        raise NotFound
    return hold


def _require_same(hold: Hold, actor: Actor, state: HoldState, follow_up: str = "") -> None:
    """Lets the repeat of one's own act pass. Re-raises the AlreadyDone being handled otherwise."""
    now = Hold.objects.get(pk=hold.pk)
    if (now.state, now.resolved_by, now.follow_up) != (state, actor.name, follow_up):
        raise


def _waits_for(number: str, actor: Actor) -> bool:
    """Whether the warehouse was asked already, by this actor, to stop this order for good."""
    return StopRequest.objects.filter(
        order__number=number,
        state=StopRequest.State.WAITING,
        purpose=StopRequest.Purpose.CANCEL,
        actor=actor.name,
    ).exists()


def _require_own_cancellation(order: Order, actor: Actor) -> None:
    """Raises AlreadyDone naming who cancelled the order, unless it was the actor."""
    entry = TimelineEntry.objects.filter(order=order, act="cancelled").order_by("-id").first()
    if entry is not None and entry.actor != actor.name:
        raise AlreadyDone(
            _("%(who)s cancelled it at %(when)s.")
            % {
                "who": entry.actor.partition(":")[2] or entry.actor,
                "when": date_format(localtime(entry.at), "H:i:s"),
            }
        )
