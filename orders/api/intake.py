"""Taking orders in over HTTP: one, or up to settings.BULK_LIMIT at once."""

from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.base import ScopedView, actor_of, entity_tag, idempotency_key
from orders.api.examples import ORDER
from orders.api.shapes import BulkAnswer, BulkDocument, PlacedAnswer
from orders.errors import DifferentBody, FieldError, InvalidOrder
from orders.intake.document import OrderDocument
from orders.lifecycle.placing import Outcome, Placed, place_orders, place_together
from orders.status import HoldReason

STATUS = {
    Outcome.CREATED: 201,
    Outcome.REPLAYED: 200,
    Outcome.CONFLICT: 409,
    Outcome.INVALID: 422,
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": 120, "pattern": "^[ -~]*$"},
    OpenApiParameter.HEADER,
    description="Any text of your choice; the same key with the same body is taken in once.",
)


def place(request: Request) -> Response:
    """One order: 201 when it is new, 200 when it came before."""
    placed = place_together(request.data, actor=actor_of(request), key=idempotency_key(request))
    if placed.outcome is Outcome.INVALID:
        raise InvalidOrder(placed.errors)
    if placed.outcome is Outcome.CONFLICT:
        raise DifferentBody
    headers = {
        "Location": f"/api/v1/orders/{placed.number}/",
        "ETag": entity_tag(placed.version),
    }
    return Response(placed_answer(placed), status=STATUS[placed.outcome], headers=headers)


def placed_answer(placed: Placed) -> dict[str, Any]:
    """What a stored order answers with."""
    return {
        "number": placed.number,
        "state": placed.state,
        "version": placed.version,
        "decision": placed.decision,
        "holds": [hold | {"message": _message(hold["reason"])} for hold in placed.holds],
    }


def _message(reason: str) -> str:
    return str(HoldReason(reason).label) if reason in HoldReason.values else reason


class BulkView(ScopedView):
    """Many orders in one call; a wrong one harms no other."""

    scopes: ClassVar[dict[str, str]] = {"POST": "orders:write"}

    @extend_schema(
        operation_id="orders_bulk",
        summary="Take in up to 1,000 orders",
        description="Each order has its own result, in the order sent. A number seen before with "
        "the same content is a replay; Idempotency-Key is for single orders and ignored here.",
        request=BulkDocument,
        responses={200: BulkAnswer},
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        orders = bulk_items(request.data)
        placed = place_orders(orders, actor=actor_of(request))
        results = [bulk_result(index, item) for index, item in enumerate(placed)]
        return Response({"results": results})


def bulk_items(data: Any) -> list[Any]:
    """The order documents of a bulk body; InvalidOrder when it is not one, or too long."""
    orders = data.get("orders") if isinstance(data, dict) and len(data) == 1 else None
    if not isinstance(orders, list) or not orders:
        message = _('Send an object whose only field "orders" is a list of orders.')
        raise InvalidOrder([FieldError("orders", "list_type", message)])
    if len(orders) > settings.BULK_LIMIT:
        message = _("May have at most %(limit)s.") % {"limit": settings.BULK_LIMIT}
        raise InvalidOrder([FieldError("orders", "too_long", message)])
    return orders


def bulk_result(index: int, placed: Placed) -> dict[str, Any]:
    """What became of one item, with the status that it would have had alone."""
    result: dict[str, Any] = {"index": index, "status": STATUS[placed.outcome]}
    if placed.outcome in {Outcome.CREATED, Outcome.REPLAYED}:
        return result | placed_answer(placed)
    refusal = InvalidOrder if placed.outcome is Outcome.INVALID else DifferentBody
    return result | {
        "number": placed.number,
        "code": refusal.code,
        "title": str(refusal.default),
        "errors": [
            {"field": error.field, "code": error.code, "message": str(error.message)}
            for error in placed.errors
        ],
    }


PLACE_SCHEMA = extend_schema(
    operation_id="orders_place",
    summary="Take one order in",
    description="Screened, reserved, held or cleared in one transaction. 201 when it is new; 200 "
    "when it came before, with its state now.",
    request=OrderDocument,
    parameters=[IDEMPOTENCY_KEY],
    examples=[ORDER],
    responses={201: PlacedAnswer, 200: PlacedAnswer},
    tags=["orders"],
)
