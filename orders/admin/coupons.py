"""Admin of the coupons that channels have tied to main stock, one by one or by file."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from import_export.admin import ImportExportMixin
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from orders.admin.base import DeskAdmin
from orders.admin.coupon_files import ChannelCouponResource
from orders.models import ChannelCoupon
from rules.admin.transfer import FORMATS


class ChannelCouponInline(TabularInline):
    """A channel's linked coupons, a page of them at a time."""

    model = ChannelCoupon
    extra = 1
    per_page = 20
    hide_title = True
    fields = ("code", "name")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ChannelCoupon]":
        return super().get_queryset(request).order_by("code")


@admin.register(ChannelCoupon)
class ChannelCouponAdmin(ImportExportMixin, DeskAdmin):
    """What is on this list was tied to main stock; what is not may oversell."""

    resource_classes = (ChannelCouponResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = FORMATS
    list_display = ("code", "name", "channel")
    list_filter = (("channel", RelatedDropdownFilter),)
    list_filter_submit = True
    list_select_related = ("channel",)
    search_fields = ("code", "name")
    fields = ("channel", "code", "name")
    list_per_page = 100

    def get_readonly_fields(
        self, request: HttpRequest, obj: ChannelCoupon | None = None
    ) -> tuple[str, ...]:
        return ("channel", "code") if obj is not None else ()

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
