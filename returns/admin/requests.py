"""Admin of returns: the list, one return, and asking for one in a customer's name."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.dataclasses import UnfoldAction
from unfold.decorators import display

from orders.admin.act_pages import act_page, found
from orders.admin.base import DeskAdmin, acting
from orders.display import ago, money, person
from orders.errors import OrderError
from orders.models import Order
from returns.admin.acts import ReturnActs, add_errors, offered
from returns.admin.forms import FindOrderForm, RequestForm
from returns.admin.shown import buyer_of, offered_lines, steps_of
from returns.lifecycle import request_return
from returns.models import ReturnRequest

SHOWN = ("order__customer", "warehouse")


@admin.register(ReturnRequest)
class ReturnRequestAdmin(ReturnActs, DeskAdmin):
    list_display = ("number", "shown_state", "order_number", "kind", "buyer", "refund", "requested")
    list_display_links = ("number",)
    list_select_related = ("order__customer",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("requested_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    search_fields = (
        "number__istartswith",
        "order__number__istartswith",
        "customer__external_id__iexact",
    )
    search_help_text = gettext_lazy("Return, order or customer number")
    ordering = ("-id",)
    sortable_by = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("state"))
    def shown_state(self, one: ReturnRequest) -> str:
        return format_html(
            '<span class="desk-state is-{}">{}</span>', one.state, one.get_state_display()
        )

    @display(description=gettext_lazy("order"))
    def order_number(self, one: ReturnRequest) -> str:
        return one.order.number

    @display(description=gettext_lazy("customer"))
    def buyer(self, one: ReturnRequest) -> str:
        who = buyer_of(one.order)
        return f"{who.external_id} {who.name}".strip()

    @display(description=gettext_lazy("refund"))
    def refund(self, one: ReturnRequest) -> str:
        return format_html(
            '<span class="desk-amount">{}</span>', money(one.refund_amount, one.order.currency)
        )

    @display(description=gettext_lazy("requested"))
    def requested(self, one: ReturnRequest) -> str:
        return format_html("{} · {}", ago(one.requested_at), person(one.requested_by))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        shown = getattr(request, "shown_return", None)
        return [
            one
            for one in super().get_actions_detail(request, object_id)
            if shown is not None and offered(one.method.original_function_name, shown)
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        one = found(ReturnRequest.objects.select_related(*SHOWN), unquote(object_id))
        request.shown_return = one  # type: ignore[attr-defined]
        request.current_app = self.admin_site.name
        actions = self._get_actions_navigation(
            self.actions_detail, self.get_actions_detail(request, one.pk), one.pk
        )
        return TemplateResponse(
            request,
            "admin/returns/return_page.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "title": _("Return %(number)s") % {"number": one.number},
                "original": one,
                "return": one,
                "buyer": buyer_of(one.order),
                "lines": one.lines.select_related("order_line__sku"),
                "steps": steps_of(one)[::-1],
                "actions_detail": [action for action in actions if action],
            },
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Choose delivered goods of an order; those that cannot be returned say why."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        order, find = self._wanted_order(request)
        if order is None:
            return self._find_page(request, find)
        form = RequestForm(
            request.POST if request.method == "POST" else None,
            offered_lines(order, timezone.now()),
        )
        if form.is_bound and form.is_valid():
            lines = form.chosen()
            names = [f"line_{line.position}" for line in lines]
            try:
                made = request_return(
                    order.number,
                    lines,
                    kind=form.cleaned_data["kind"],
                    reason=form.cleaned_data["reason"],
                    actor=acting(request),
                    request_id=str(form.cleaned_data["request_id"]),
                )
            except OrderError as error:
                add_errors(form, error, {"position": names, "quantity": names})
            else:
                messages.success(
                    request, _("Return %(number)s is requested.") % {"number": made.number}
                )
                return redirect("admin:returns_returnrequest_change", made.pk)
        return act_page(
            self,
            request,
            form,
            title=_("Request a return"),
            submit=_("Request the return"),
            subject=f"{_('Request a return')} · {order.number}",
            follows=_("A decision follows; goods and money move only after it."),
            template="admin/returns/request_page.html",
            order=order,
            buyer=buyer_of(order),
        )

    def _wanted_order(self, request: HttpRequest) -> tuple[Order | None, forms.Form]:
        """The order named in the address, or a form that asks for it and says what was wrong."""
        find = FindOrderForm(request.GET if "order" in request.GET else None)
        order = None
        if find.is_bound and find.is_valid():
            number = find.cleaned_data["order"]
            order = Order.objects.select_related("customer").filter(number=number).first()
            if order is None:
                find.add_error("order", _("There is no such order."))
        return order, find

    def _find_page(self, request: HttpRequest, find: forms.Form) -> HttpResponse:
        return act_page(
            self,
            request,
            find,
            title=_("Request a return"),
            submit=_("Show its goods"),
            template="admin/returns/find_page.html",
        )
