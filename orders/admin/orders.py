"""Admin of orders: a list that stays quick at a million rows, and a page of facts per order."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.dataclasses import UnfoldAction
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from orders.admin.act_pages import found
from orders.admin.base import ReadOnlyAdmin, acting, person_of
from orders.admin.facts_shown import traits
from orders.admin.order_act_base import SHOWN
from orders.admin.order_acts import OFFERED, OrderActs
from orders.admin.order_page import read_order_page
from orders.admin.searching import order_ids
from orders.admin.waiting_orders import (
    WAITING,
    StopFilter,
    WaitingOrders,
    count_unanswered,
    is_asked_for,
    wait_shown,
    with_waits,
)
from orders.display import ago, money
from orders.lifecycle.noting import record_reveal
from orders.models import Order
from orders.phones import mask_name

NEWEST = 50_000
"""Filters without an index of their own look at this many of the newest orders."""

UNANSWERED_COLUMNS = (
    *("number", "waited", "asked", "warehouse_name", "plain_state", "channel_name"),
    *("recipient", "placed"),
)
INDEXED_STATES = ("on_hold", "ready")
RELATIONS = {
    "parent": gettext_lazy("parent order"),
    "child": gettext_lazy("child order"),
    "main": gettext_lazy("gift for this order"),
    "gift": gettext_lazy("gift"),
    "travels_with": gettext_lazy("ships together with"),
    "merged": gettext_lazy("ships along"),
}


class SpecialFilter(DropdownFilter):
    """Orders that travel a lane of their own."""

    title = gettext_lazy("kind")
    parameter_name = "kind"
    CHOICES: dict[str, tuple[Any, dict[str, Any]]] = {
        "urgent": (gettext_lazy("urgent"), {"urgent": True}),
        "presale": (gettext_lazy("presale"), {"presale": True}),
        "livestream": (gettext_lazy("livestream"), {"livestream_room__gt": ""}),
        "gift": (gettext_lazy("gift"), {"gift_for_number__gt": ""}),
        "child": (gettext_lazy("child order"), {"parent_number__gt": ""}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, (label, _lookup) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Order]") -> "QuerySet[Order]":
        chosen = self.CHOICES.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


class OrderChangeList(ChangeList):
    """Bounds what filters without an index may read; `looks_at` tells the page."""

    looks_at = 0

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> "QuerySet[Order]":
        rows: QuerySet[Order] = super().get_queryset(request, exclude_parameters)
        filters = {key: value for key, value in request.GET.items() if value and key != "p"}
        state = filters.pop("state__exact", "")
        # The quick query has an index of its own, however old its orders are.
        if filters.get(StopFilter.parameter_name) == WAITING:
            return rows
        if filters.pop("q", "") or not (filters or (state and state not in INDEXED_STATES)):
            return rows
        newest = Order.objects.aggregate(newest=Max("pk"))["newest"] or 0
        self.looks_at = NEWEST
        return rows.filter(pk__gt=newest - NEWEST)


@admin.register(Order)
class OrderAdmin(OrderActs, WaitingOrders, ReadOnlyAdmin):
    list_display = (
        *("number", "shown_state", "channel_name", "recipient", "amount", "placed", "lane"),
        *("shown_tags", "warehouse_name"),
    )
    list_display_links = ("number",)
    list_select_related = ("channel", "warehouse")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("channel", RelatedDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        SpecialFilter,
        StopFilter,
    )
    list_filter_submit = True
    list_fullwidth = True
    list_before_template = "admin/orders/_order_list_note.html"
    search_fields = ("number",)
    search_help_text = gettext_lazy("Order, parcel or customer number, phone")
    ordering = ("-id",)
    sortable_by = ()
    paginator = InfinitePaginator

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<str:object_id>/reveal/", view(self.reveal), name="orders_order_reveal"),
            path("unanswered/", view(self.waiting_count), name="orders_order_waiting"),
            path("<str:object_id>/ask-again/", view(self.ask_again), name="orders_order_ask_again"),
            path("<str:object_id>/note/", view(self.note), name="orders_order_note"),
        ]
        return own + super().get_urls()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OrderChangeList

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Order]":
        # Annotated before it is ordered: the quick query goes by what is annotated.
        rows = with_waits(Order.objects.all()).order_by(*self.get_ordering(request))
        return rows.defer("coupons", "deliveries", "buyer_remark")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return UNANSWERED_COLUMNS if is_asked_for(request) else self.list_display

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("waits_since", "-id") if is_asked_for(request) else self.ordering

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = extra_context or {}
        if self.has_view_permission(request):
            context |= {
                "unanswered": count_unanswered(),
                "is_unanswered": is_asked_for(request),
                "patience_minutes": settings.STOP_ALERT_MINUTES,
            }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Order]", search_term: str
    ) -> tuple["QuerySet[Order]", bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=order_ids(search_term)), False

    @display(
        description=gettext_lazy("state"),
    )
    def shown_state(self, order: Order) -> str:
        shown = format_html(
            '<span class="desk-state is-{}">{}</span>', order.state, order.get_state_display()
        )
        if not (waited := wait_shown(order)):
            return shown
        return format_html("{} {} {}", shown, _("waits for the warehouse"), waited)

    @display(description=gettext_lazy("state"))
    def plain_state(self, order: Order) -> str:
        return format_html(
            '<span class="desk-state is-{}">{}</span>', order.state, order.get_state_display()
        )

    @display(description=gettext_lazy("channel"))
    def channel_name(self, order: Order) -> str:
        return order.channel.name

    @display(description=gettext_lazy("warehouse"))
    def warehouse_name(self, order: Order) -> str:
        return order.warehouse.name if order.warehouse else ""

    @display(description=gettext_lazy("recipient"))
    def recipient(self, order: Order) -> str:
        return mask_name(order.ship_name)

    @display(description=gettext_lazy("amount paid"))
    def amount(self, order: Order) -> str:
        return format_html(
            '<span class="desk-amount">{}</span>', money(order.grand_total, order.currency)
        )

    @display(description=gettext_lazy("placed"))
    def placed(self, order: Order) -> str:
        return ago(order.placed_at)

    @display(description=gettext_lazy("tags"))
    def shown_tags(self, order: Order) -> str:
        words = ((word,) for word in [*traits(order), *order.tags])
        return format_html_join("", '<span class="desk-chip">{}</span>', words)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not request.user.has_perm("orders.view_order"):
            raise PermissionDenied
        return self._page(request, self.order_of(unquote(object_id)), revealed=False)

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the page once with the full contact; the look is on record before that."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perms(["orders.view_order", "orders.reveal_order"]):
            raise PermissionDenied
        order = found(Order.objects.select_related(*SHOWN), object_id)
        record_reveal(order.pk, actor=acting(request))
        return self._page(request, order, revealed=True)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        state = getattr(request, "order_state", "")
        return [
            one
            for one in super().get_actions_detail(request, object_id)
            if state in OFFERED[one.method.original_function_name]
        ]

    def _page(self, request: HttpRequest, order: Order, *, revealed: bool) -> HttpResponse:
        request.current_app = self.admin_site.name
        request.order_state = order.state  # type: ignore[attr-defined]
        page = read_order_page(order, person_of(request), timezone.now(), revealed=revealed)
        actions = self._get_actions_navigation(
            self.actions_detail, self.get_actions_detail(request, order.pk), order.pk
        )
        return TemplateResponse(
            request,
            "admin/orders/order_page.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "title": _("Order %(number)s") % {"number": order.number},
                "original": order,
                "page": page,
                "relatives": [(RELATIONS[key], other) for key, other in page.relatives],
                "actions_detail": [one for one in actions if one],
            },
        )
