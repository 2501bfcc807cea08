"""The order list's quick query for what a warehouse has not answered: count, filter, columns."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from changefeed.clock import database_now
from orders.display import exact, person, span
from orders.models import Order, StopRequest
from orders.querysets import patience

WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """How many orders wait for a warehouse to answer, and how many of them too long."""

    count: int
    overdue: int


def count_unanswered(now: datetime | None = None) -> Unanswered:
    """One read of an index that holds nothing but waiting requests."""
    late = Q(requested_at__lte=(now or database_now()) - patience())
    found = StopRequest.objects.waiting().aggregate(
        count=Count("id"), overdue=Count("id", filter=late)
    )
    return Unanswered(**found)


class StopFilter(DropdownFilter):
    """Orders whose warehouse was asked to stop and has not said whether it did."""

    title = gettext_lazy("stop request")
    parameter_name = "stop"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(WAITING, _("Warehouse has not answered"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Order]") -> "QuerySet[Order]":
        if self.value() != WAITING:
            return queryset
        asked = StopRequest.objects.waiting()
        waiting = Prefetch("stop_requests", queryset=asked, to_attr="waiting_requests")
        return queryset.filter(pk__in=asked.values("order_id")).prefetch_related(waiting)


def is_asked_for(request: HttpRequest) -> bool:
    """Whether the list shows this quick query."""
    return request.GET.get(StopFilter.parameter_name) == WAITING


def with_waits(orders: "QuerySet[Order]") -> "QuerySet[Order]":
    """Each order with since when and how long, by the database's clock, it waits for an answer."""
    waiting = StopRequest.objects.waiting().filter(order=OuterRef("pk"))
    length = ExpressionWrapper(Now() - F("waits_since"), output_field=DurationField())
    return orders.annotate(waits_since=Subquery(waiting.values("requested_at")[:1])).annotate(
        waited=length
    )


def wait_shown(order: Any) -> SafeString:
    """How long an order has waited for a warehouse's answer; empty when it does not wait."""
    if order.waits_since is None:
        return SafeString("")
    shown = format_html(
        '<time datetime="{}" title="{}">{}</time>',
        order.waits_since.isoformat(timespec="seconds"),
        exact(order.waits_since),
        span(order.waited),
    )
    if order.waited < patience():
        return shown
    return format_html('{} <span class="desk-risk is-high">{}</span>', shown, _("Overdue"))


class WaitingOrders:
    """Mixed into OrderAdmin: columns of the quick query, and its count for the page's script."""

    @display(description=gettext_lazy("waiting for"))
    def waited(self, order: Order) -> str:
        return wait_shown(order)

    @display(description=gettext_lazy("asked to"))
    def asked(self, order: Any) -> str:
        (request,) = order.waiting_requests  # never two: one_waiting_stop_request
        return f"{request.get_purpose_display()} · {person(request.actor)}"

    def waiting_count(self, request: HttpRequest) -> HttpResponse:
        """The count alone, asked for every half minute."""
        if not request.user.has_perm("orders.view_order"):
            raise PermissionDenied
        return TemplateResponse(
            request,
            "admin/orders/_unanswered_count.html",
            {"unanswered": count_unanswered()},
        )
