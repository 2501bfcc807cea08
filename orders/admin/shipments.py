"""Admin of shipments: parcels to read, and the warehouse's answer to a stop request."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from orders.admin.act_pages import ActForm, act_page, found
from orders.admin.base import ReadOnlyAdmin, ReadOnlyInline, acting, allows
from orders.admin.searching import order_ids
from orders.display import ago
from orders.errors import OrderError
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Shipment, ShipmentLine


class AnswerForm(ActForm):
    """Whether the parcel could be stopped, and by whose word."""

    answer = forms.ChoiceField(
        label=gettext_lazy("warehouse's answer"),
        choices=[
            ("freeze_ack", gettext_lazy("Stopped: the parcel stays here")),
            ("freeze_refused", gettext_lazy("Already picked: it will leave")),
        ],
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label=gettext_lazy("who said so"),
        help_text=gettext_lazy("For instance: shift leader Li, by phone. It stays in the story."),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class ShipmentLineInline(ReadOnlyInline):
    model = ShipmentLine
    fields = ("sku", "quantity")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ShipmentLine]":
        return super().get_queryset(request).select_related("order_line__sku")

    @display(description=gettext_lazy("SKU"))
    def sku(self, line: ShipmentLine) -> str:
        return str(line.order_line.sku)


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin):
    list_display = (
        *("number", "shown_state", "warehouse_name", "courier_name", "lane", "waybill"),
        *("deliver_on", "released", "stop"),
    )
    list_display_links = ("number",)
    list_select_related = ("warehouse", "courier")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        ("freeze_answer", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    search_fields = ("number",)
    search_help_text = gettext_lazy("Parcel or order number")
    ordering = ("-id",)
    sortable_by = ()
    paginator = InfinitePaginator
    fields = (
        *("number", "shown_order", "shown_state", "warehouse", "courier", "packaging", "lane"),
        *("print_priority", "waybill", "deliver_on", "created_at", "released_at", "shipped_at"),
        *("delivered_at", "freeze_requested_at", "freeze_reason", "freeze_answer"),
    )
    readonly_fields = fields
    inlines = (ShipmentLineInline,)
    actions_detail = ("answer_stop",)
    has_answer_shipment_permission = allows("answer_shipment")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Shipment]":
        return super().get_queryset(request).select_related("order", "warehouse", "courier")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Shipment]", search_term: str
    ) -> tuple["QuerySet[Shipment]", bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(order_id__in=order_ids(search_term)), False

    @display(description=gettext_lazy("state"))
    def shown_state(self, shipment: Shipment) -> str:
        return format_html(
            '<span class="desk-state is-{}">{}</span>',
            shipment.state,
            shipment.get_state_display(),
        )

    @display(description=gettext_lazy("warehouse"))
    def warehouse_name(self, shipment: Shipment) -> str:
        return shipment.warehouse.name

    @display(description=gettext_lazy("courier"))
    def courier_name(self, shipment: Shipment) -> str:
        return shipment.courier.name if shipment.courier else ""

    @display(description=gettext_lazy("order"))
    def shown_order(self, shipment: Shipment) -> str:
        url = reverse("admin:orders_order_change", args=(shipment.order_id,))
        return format_html('<a class="desk-link" href="{}">{}</a>', url, shipment.order.number)

    @display(description=gettext_lazy("released"))
    def released(self, shipment: Shipment) -> str:
        return ago(shipment.released_at)

    @display(description=gettext_lazy("stop request"))
    def stop(self, shipment: Shipment) -> Any:
        if shipment.freeze_requested_at is None:
            return ""
        return shipment.get_freeze_answer_display() or _("Waiting for the warehouse")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """The answer is asked for only while a stop request waits for it."""
        waiting = Shipment.objects.filter(
            pk=object_id, freeze_requested_at__isnull=False, freeze_answer=""
        )
        allowed = super().get_actions_detail(request, object_id)
        return allowed if str(object_id).isdecimal() and waiting.exists() else []

    @action(
        description=gettext_lazy("Answer the stop request"),
        url_path="answer",
        icon="pan_tool",
        permissions=["answer_shipment"],
    )
    def answer_stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        shipment = found(Shipment.objects.all(), unquote(object_id))
        form = AnswerForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                record_shipment_event(
                    shipment.number,
                    form.cleaned_data["answer"],
                    actor=acting(request),
                    reason=form.cleaned_data["reason"],
                )
            except OrderError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, _("The answer is recorded."))
                return redirect("admin:orders_shipment_change", shipment.pk)
        return act_page(
            self,
            request,
            form,
            title=_("Answer the stop request"),
            subject=shipment.number,
            follows=shipment.freeze_reason,
            submit=_("Record the answer"),
            back=("admin:orders_shipment_change", shipment.pk),
        )
