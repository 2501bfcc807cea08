"""Returns over HTTP: asked for once, and read."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.base import ScopedView, actor_of, idempotency_key
from orders.api.intake import IDEMPOTENCY_KEY
from orders.api.lookups import require_readable
from orders.api.requests import read
from orders.errors import NotFound
from returns.api.answers import ReturnAnswer
from returns.api.requests import ReturnDocument
from returns.lifecycle import RequestedLine, request_return
from returns.models import ReturnRequest


class ReturnsView(ScopedView):
    """Asking for goods to be taken back."""

    scopes: ClassVar[dict[str, str]] = {"POST": "returns:write"}

    @extend_schema(
        operation_id="returns_request",
        summary="Request a return of delivered goods",
        description="A person decides. The same `request_id` (or Idempotency-Key) again answers "
        "200 with the request as it is; with another content 409.",
        request=ReturnDocument,
        parameters=[IDEMPOTENCY_KEY],
        responses={201: ReturnAnswer, 200: ReturnAnswer},
        tags=["returns"],
    )
    def post(self, request: Request) -> Response:
        asked = read(ReturnDocument, request.data)
        actor = actor_of(request)
        request_id = asked.request_id or idempotency_key(request)
        was_known = (
            bool(request_id)
            and ReturnRequest.objects.filter(source=actor.source, request_id=request_id).exists()
        )
        made = request_return(
            asked.order,
            [RequestedLine(line.position, line.quantity) for line in asked.lines],
            kind=asked.kind,
            reason=asked.reason,
            actor=actor,
            request_id=request_id,
        )
        return Response(
            ReturnAnswer(whole_return(made.number)).data,
            status=status.HTTP_200_OK if was_known else status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/returns/{made.number}/"},
        )


class ReturnView(ScopedView):
    """One return."""

    scopes: ClassVar[dict[str, str]] = {"GET": "returns:read"}

    @extend_schema(
        operation_id="returns_read",
        summary="Read one return",
        responses={200: ReturnAnswer},
        tags=["returns"],
    )
    def get(self, request: Request, number: str) -> Response:
        return Response(ReturnAnswer(whole_return(number)).data)


def whole_return(number: str) -> ReturnRequest:
    """The return with everything it shows, by four queries. Raises NotFound."""
    require_readable(number)
    found = (
        ReturnRequest.objects.select_related("order", "customer", "warehouse")
        .prefetch_related("lines__order_line__sku")
        .filter(number=number)
        .first()
    )
    if found is None:
        raise NotFound
    return found
