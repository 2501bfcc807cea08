"""Admin of stock: figures and their ledger to read, goods received and counted as acts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from orders.admin.act_pages import ActForm, act_page, found
from orders.admin.base import ReadOnlyAdmin, ReadOnlyInline, acting, allows
from orders.display import ago, person
from orders.errors import OrderError, OutOfStock
from orders.lifecycle.stock import count_stock, receive_stock
from orders.models import Sku, Stock, StockEntry, Warehouse

MOST_UNITS = 1_000_000


class ReceiveForm(ActForm):
    """Goods that arrived for a SKU in a warehouse."""

    sku = forms.CharField(label=_("SKU"), max_length=64, help_text=_("Its code."))
    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(is_active=True),
        label=_("warehouse"),
        widget=UnfoldAdminSelectWidget,
    )
    units = forms.IntegerField(
        label=_("units"),
        min_value=1,
        max_value=MOST_UNITS,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def clean_sku(self) -> Sku:
        sku = Sku.objects.filter(code=self.cleaned_data["sku"].strip()).first()
        if sku is None:
            raise forms.ValidationError(
                _("There is no SKU with this code. Check it, or add the SKU first."), "unknown"
            )
        return sku


class CountForm(ActForm):
    """What somebody counted on the shelf."""

    on_hand = forms.IntegerField(
        label=_("units counted"),
        min_value=0,
        max_value=MOST_UNITS,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class StockEntryInline(ReadOnlyInline):
    model = StockEntry
    verbose_name_plural = _("stock ledger")
    fields = ("shown_at", "move", "on_hand_delta", "reserved_delta", "order_number", "by")
    readonly_fields = fields
    per_page = 50
    ordering = ("-id",)

    @display(description=_("at"))
    def shown_at(self, entry: StockEntry) -> str:
        return ago(entry.at)

    @display(description=_("by"))
    def by(self, entry: StockEntry) -> str:
        return person(entry.actor)


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    list_display = ("sku_code", "sku_name", "warehouse_name", "on_hand", "reserved", "free")
    list_filter = (("warehouse", RelatedDropdownFilter),)
    list_filter_submit = True
    search_fields = ("sku__code__startswith", "sku__name")
    ordering = ("sku__code", "warehouse__priority")
    paginator = InfinitePaginator
    fields = ("sku", "warehouse", "on_hand", "reserved", "free")
    readonly_fields = fields
    inlines = (StockEntryInline,)
    actions_list = ("receive",)
    actions_detail = ("count",)
    has_move_stock_permission = allows("move_stock")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Stock]":
        return (
            super()
            .get_queryset(request)
            .select_related("sku", "warehouse")
            .annotate(free=F("on_hand") - F("reserved"))
        )

    @display(description=_("SKU"), ordering="sku__code")
    def sku_code(self, stock: Stock) -> str:
        return stock.sku.code

    @display(description=_("name"))
    def sku_name(self, stock: Stock) -> str:
        return stock.sku.name

    @display(description=_("warehouse"))
    def warehouse_name(self, stock: Stock) -> str:
        return stock.warehouse.name

    @display(description=_("available"), ordering="free")
    def free(self, stock: Any) -> int:
        return int(stock.free)

    @action(
        description=_("Receive stock"),
        url_path="receive",
        icon="add_box",
        permissions=["move_stock"],
    )
    def receive(self, request: HttpRequest) -> HttpResponse:
        form = ReceiveForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            data = form.cleaned_data
            stock = receive_stock(
                data["sku"], data["warehouse"], data["units"], actor=acting(request)
            )
            messages.success(
                request,
                _("%(units)s units of %(sku)s received at %(warehouse)s; %(on_hand)s on hand now.")
                % {
                    "units": data["units"],
                    "sku": data["sku"].code,
                    "warehouse": data["warehouse"].name,
                    "on_hand": stock.on_hand,
                },
            )
            return redirect("admin:orders_stock_changelist")
        return act_page(
            self, request, form, title=_("Receive stock"), submit=_("Receive"), icon="add_box"
        )

    @action(
        description=_("Enter a stock-take"),
        url_path="count",
        icon="fact_check",
        permissions=["move_stock"],
    )
    def count(self, request: HttpRequest, object_id: str) -> HttpResponse:
        stock = found(Stock.objects.select_related("sku", "warehouse"), unquote(object_id))
        form = CountForm(
            request.POST if request.method == "POST" else None, initial={"on_hand": stock.on_hand}
        )
        if form.is_valid():
            try:
                count_stock(stock.pk, form.cleaned_data["on_hand"], actor=acting(request))
            except OutOfStock:
                form.add_error(
                    "on_hand",
                    _("%(reserved)s units are promised to orders. Cancel or move orders first.")
                    % {"reserved": stock.reserved},
                )
            except OrderError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, _("The stock-take is in the ledger."))
                return redirect("admin:orders_stock_change", stock.pk)
        return act_page(
            self,
            request,
            form,
            title=_("Enter a stock-take"),
            subject=f"{stock.sku.code} · {stock.warehouse.name}",
            submit=_("Save the count"),
            icon="fact_check",
            back=("admin:orders_stock_change", stock.pk),
        )
