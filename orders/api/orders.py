"""Orders over HTTP: the collection, one order, its timeline and its decisions."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import acts, intake, lookups
from orders.api.answers import OrderAnswer, OrderRow
from orders.api.base import ScopedView, entity_tag
from orders.api.filters import OrderFilter, OrderPages, narrow
from orders.api.shapes import DecisionsAnswer, TimelineAnswer
from orders.decision_trace import trace_of_decision
from orders.models import Order, ScreeningDecision
from orders.timeline import timeline_of
from rules.api.answers import traced_answers
from rules.decision import Decision
from rules.sentences import sentence_for_match

MOST_ENTRIES = 500
MOST_TRACED = 20
"""A trace names every rule of a version, so that far fewer decisions fit into one answer."""

WITH_TRACE = OpenApiParameter(
    "trace",
    OpenApiTypes.INT,
    enum=[0, 1],
    description="1 adds to each decision what became of every rule; then at most the latest 20.",
)
ENTITY_TAG = OpenApiParameter(
    "ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 201], description="Version."
)


class OrdersView(ScopedView, GenericAPIView[Order]):
    """Orders of every channel."""

    scopes: ClassVar[dict[str, str]] = {"POST": "orders:write", "GET": "orders:read"}
    queryset = Order.objects.none()
    filterset_class = OrderFilter
    pagination_class = OrderPages
    serializer_class = OrderRow

    @extend_schema(
        operation_id="orders_list",
        summary="List orders, newest first",
        responses={200: OrderRow(many=True)},
        filters=True,
        tags=["orders"],
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(narrow(lookups.rows(), request)) or []
        rows = [OrderRow(order).data for order in page]
        return self.get_paginated_response(rows)

    @intake.PLACE_SCHEMA
    def post(self, request: Request) -> Response:
        return intake.place(request)


class OrderView(ScopedView):
    """One order."""

    scopes: ClassVar[dict[str, str]] = {"GET": "orders:read", "PATCH": "orders:write"}

    @extend_schema(
        operation_id="orders_read",
        summary="Read one order",
        responses={200: OrderAnswer},
        parameters=[ENTITY_TAG],
        tags=["orders"],
    )
    def get(self, request: Request, number: str) -> Response:
        order = lookups.whole_order(number)
        return Response(OrderAnswer(order).data, headers={"ETag": entity_tag(order.version)})

    @acts.CHANGE_SCHEMA
    def patch(self, request: Request, number: str) -> Response:
        return acts.change(request, number)


class TimelineView(ScopedView):
    """Who did what to an order, when and why."""

    scopes: ClassVar[dict[str, str]] = {"GET": "orders:read"}

    @extend_schema(
        operation_id="orders_timeline",
        summary="Who did what, when and why",
        responses={200: TimelineAnswer},
        tags=["orders"],
    )
    def get(self, request: Request, number: str) -> Response:
        order = Order.objects.get(pk=lookups.order_key(number))
        entries = [
            {
                "at": item.at,
                "act": item.act,
                "actor": item.actor,
                "source": item.source,
                "title": item.title,
                "reason": item.reason,
                "detail": item.detail,
            }
            for item in timeline_of(order)[:MOST_ENTRIES]
        ]
        return Response({"number": order.number, "entries": entries})


class DecisionsView(ScopedView):
    """What the rules said about an order, each time they were asked."""

    scopes: ClassVar[dict[str, str]] = {"GET": "orders:read"}

    @extend_schema(
        operation_id="orders_decisions",
        summary="What the rules said, and why",
        description="Newest first, with the rule-set and list versions and the facts they saw.",
        parameters=[WITH_TRACE],
        responses={200: DecisionsAnswer},
        tags=["orders"],
    )
    def get(self, request: Request, number: str) -> Response:
        key = lookups.order_key(number)
        with_trace = _flag(request, WITH_TRACE.name)
        found = ScreeningDecision.objects.filter(order_id=key).select_related("order")
        most = MOST_TRACED if with_trace else MOST_ENTRIES
        decisions = [
            decision_answer(one) | ({"trace": trace_answer(one)} if with_trace else {})
            for one in found.order_by("-at", "-id")[:most]
        ]
        return Response({"number": number, "decisions": decisions})


def _flag(request: Request, name: str) -> bool:
    """A query parameter that is 1 or 0. Raises ValidationError for anything else."""
    said = request.query_params.get(name, "0")
    if said not in ("0", "1"):
        raise ValidationError({name: ErrorDetail(_("Write 1 or 0."), code="bad_choice")})
    return said == "1"


def trace_answer(stored: ScreeningDecision) -> dict[str, Any] | None:
    """What became of each rule in a stored decision, with a sentence each."""
    past = trace_of_decision(stored)
    if past is None:
        return None
    return {"changed_lists": list(past.changed_lists), "rules": traced_answers(past.rules)}


def decision_answer(stored: ScreeningDecision) -> dict[str, Any]:
    """A stored decision, with a sentence for each rule that acted."""
    decision = Decision.from_json(stored.outcome)
    return {
        "at": stored.at,
        "cause": stored.cause,
        "ruleset_version": stored.ruleset_version,
        "list_versions": stored.list_versions,
        "facts": stored.facts,
        "outcome": stored.outcome,
        "sentences": [sentence_for_match(match) for match in decision.matches],
        "took_us": stored.took_us,
    }
