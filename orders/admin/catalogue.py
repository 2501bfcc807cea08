"""Admin of what is sold, where it is sold, and what routing may assign."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from orders.admin.base import DeskAdmin
from orders.admin.coupons import ChannelCouponInline
from orders.models import Channel, Courier, Packaging, SettlementPrice, Sku, Warehouse


class SettlementPriceInline(TabularInline):
    """A channel's prices, a page of them at a time."""

    model = SettlementPrice
    extra = 1
    per_page = 20
    hide_title = True
    autocomplete_fields = ("sku",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SettlementPrice]":
        return super().get_queryset(request).select_related("sku").order_by("sku__code")


class CodedAdmin(DeskAdmin):
    """A small reference record; its code is fixed once it exists, for other systems know it."""

    list_display: Any = ("code", "name", "is_active")
    list_filter: Any = ("is_active",)
    search_fields = ("code", "name")
    fields: tuple[str, ...] = ("code", "name", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return ("code",) if obj is not None else ()


@admin.register(Channel)
class ChannelAdmin(CodedAdmin):
    inlines = (SettlementPriceInline, ChannelCouponInline)


@admin.register(Courier)
class CourierAdmin(CodedAdmin):
    pass


@admin.register(Packaging)
class PackagingAdmin(CodedAdmin):
    pass


@admin.register(Warehouse)
class WarehouseAdmin(CodedAdmin):
    list_display = ("code", "name", "priority", "is_active")
    fields = ("code", "name", "priority", "is_active")


@admin.register(Sku)
class SkuAdmin(CodedAdmin):
    list_display = (
        *("code", "name", "category", "shown_temperature", "is_fragile", "presale_ship_date"),
        "is_active",
    )
    list_filter = (("temperature", ChoicesDropdownFilter), "is_fragile", "is_active")
    list_filter_submit = True
    fields = (
        *("code", "name", "category", "temperature", "is_fragile", "high_price_threshold"),
        *("presale_ship_date", "is_active"),
    )

    @display(description=Sku._meta.get_field("temperature").verbose_name, ordering="temperature")
    def shown_temperature(self, sku: Sku) -> str:
        return sku.get_temperature_display()
