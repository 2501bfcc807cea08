"""The portal's pages: sign in, my orders, one order."""

from typing import Any

from allauth.account.views import ConfirmLoginCodeView, RequestLoginCodeView
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from orders.models import Customer, Order
from orders.status import OrderState

CODES_PER_HOUR = 2000
"""Codes sent to all numbers together, an hour: what an attack on many numbers may cost."""
GUESSES = 3
PAGE = 20

STEPS = (OrderState.RECEIVED, OrderState.DISPATCHED, OrderState.SHIPPED, OrderState.DELIVERED)


class AskForCode(RequestLoginCodeView):
    """Enter the phone; the answer is the same whether or not it is a customer's."""

    template_name = "portal/sign_in.html"

    def form_valid(self, form: Any) -> HttpResponse:
        cache.add("portal:codes", 0, timeout=3600)
        if cache.incr("portal:codes") > CODES_PER_HOUR:
            form.add_error(None, _("Too many codes were asked for. Try again in an hour."))
            return self.form_invalid(form)
        response: HttpResponse = super().form_valid(form)
        return response


class EnterCode(ConfirmLoginCodeView):
    """Enter the code: three tries, counted where parallel requests cannot slip past."""

    template_name = "portal/enter_code.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        counter = f"portal:guesses:{request.session.session_key}:{self._process.state['at']}"
        cache.add(counter, 0, timeout=900)
        if cache.incr(counter) > GUESSES:
            self._process.abort()
            return redirect("account_request_login_code")
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("account_request_login_code")


def _customer(request: HttpRequest) -> Customer:
    user = request.user
    customer = Customer.objects.filter(user=user).first() if user.is_authenticated else None
    if customer is None:
        raise Http404
    return customer


@login_required
@require_GET
def orders(request: HttpRequest) -> HttpResponse:
    """The customer's orders, newest first."""
    mine = (
        Order.objects.visible_to(_customer(request))
        .prefetch_related("lines__sku")
        .order_by("-placed_at", "-pk")
    )
    page = Paginator(mine, PAGE).get_page(request.GET.get("page"))
    rows = [{"order": order, "state": public_state(order)} for order in page]
    return render(request, "portal/orders/list.html", {"page": page, "rows": rows})


@login_required
@require_GET
def order(request: HttpRequest, number: str) -> HttpResponse:
    """One order of the customer; anybody else's is not there."""
    found = get_object_or_404(Order.objects.visible_to(_customer(request)), number=number)
    state = public_state(found)
    steps = [
        {"label": step.label, "done": state in STEPS and STEPS.index(step) <= STEPS.index(state)}
        for step in STEPS
    ]
    context = {
        "order": found,
        "state": state,
        "steps": steps,
        "lines": found.lines.select_related("sku").order_by("position"),
        "parcels": found.shipments.select_related("courier").order_by("number"),
    }
    return render(request, "portal/orders/detail.html", context)


def public_state(order: Order) -> OrderState:
    """What a customer is told; that an order is being looked at is the shop's own business."""
    state = OrderState(order.state)
    return OrderState.RECEIVED if state in (OrderState.ON_HOLD, OrderState.READY) else state
