"""What the acts on one order share: finding it, showing the form, acting, answering."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from orders.admin.act_pages import ReasonForm, act_page, found
from orders.errors import InvalidOrder, OrderError
from orders.models import Order
from orders.status import BEFORE_DISPATCH

SHOWN = ("channel", "customer", "warehouse", "courier", "packaging", "stock_warehouse")
WITH_US = tuple(BEFORE_DISPATCH)


class OrderActBase:
    """Mixed into OrderAdmin through the acts below it."""

    def order_of(self, object_id: str) -> Order:
        return found(Order.objects.select_related(*SHOWN), unquote(str(object_id)))

    def reasoned(
        self,
        request: HttpRequest,
        object_id: str,
        act: Callable[[Order, str], Any],
        **page: Any,
    ) -> HttpResponse:
        order = self.order_of(object_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        return self.formed(
            request, order, form, lambda: act(order, form.cleaned_data["reason"]), **page
        )

    def formed(
        self,
        request: HttpRequest,
        order: Order,
        form: forms.Form,
        act: Callable[[], Any],
        *,
        done: str,
        **page: Any,
    ) -> HttpResponse:
        if form.is_bound and form.is_valid():
            try:
                act()
            except InvalidOrder as invalid:
                for error in invalid.errors:
                    name = error.field if error.field in form.fields else None
                    form.add_error(name, str(error.message))
            except OrderError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, done % {"number": order.number})
                return redirect("admin:orders_order_change", order.pk)
        return self.page_of_act(request, order, form, **page)

    def page_of_act(
        self, request: HttpRequest, order: Order, form: forms.Form, **page: Any
    ) -> HttpResponse:
        return act_page(
            self,  # type: ignore[arg-type]
            request,
            form,
            subject=order.number,
            original=order,
            back=("admin:orders_order_change", order.pk),
            **page,
        )
