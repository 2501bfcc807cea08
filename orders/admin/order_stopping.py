"""Buttons of the order page that stop an order or let it go, and its notes."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from orders.admin.act_pages import ActForm
from orders.admin.base import acting
from orders.admin.order_act_base import OrderActBase
from orders.errors import OrderError
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.dispatching import dispatch_order
from orders.lifecycle.holds import hold_order
from orders.lifecycle.noting import note_order
from orders.lifecycle.recalling import ask_again, recall_order


class StoppingActs(OrderActBase):
    @action(
        description=gettext_lazy("Hold"),
        url_path="hold",
        icon="front_hand",
        permissions=["stop_order"],
    )
    def hold_order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.reasoned(
            request,
            object_id,
            lambda order, reason: hold_order(order.pk, actor=acting(request), reason=reason),
            title=_("Hold order"),
            submit=_("Hold"),
            follows=_("The order stays here until a supervisor releases it."),
            done=_("Order %(number)s is held."),
        )

    @action(
        description=gettext_lazy("Stop at warehouse"),
        url_path="recall",
        icon="pan_tool",
        permissions=["stop_order"],
    )
    def recall(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.reasoned(
            request,
            object_id,
            lambda order, reason: recall_order(order.pk, actor=acting(request), reason=reason),
            title=_("Ask the warehouse to stop"),
            submit=_("Ask to stop"),
            follows=_(
                "The warehouse is asked to stop. If it has picked the order already, it may still "
                "leave; the answer shows on the order page."
            ),
            done=_("The warehouse was asked to stop order %(number)s."),
        )

    @action(
        description=gettext_lazy("Cancel the order"),
        url_path="cancel",
        icon="cancel",
        permissions=["stop_order"],
    )
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.reasoned(
            request,
            object_id,
            lambda order, reason: cancel_order(order.number, actor=acting(request), reason=reason),
            title=_("Cancel the order"),
            submit=_("Cancel the order"),
            follows=_(
                "Its stock is free again and the refund is requested. With the warehouse, it is "
                "asked to stop first and its answer decides."
            ),
            done=_("Cancelling order %(number)s is on its way."),
        )

    @action(
        description=gettext_lazy("Dispatch now"),
        url_path="dispatch",
        icon="local_shipping",
        permissions=["route_order"],
    )
    def dispatch_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.order_of(object_id)
        form = ActForm(request.POST if request.method == "POST" else None)
        return self.formed(
            request,
            order,
            form,
            lambda: dispatch_order(order.pk, actor=acting(request)),
            title=_("Dispatch now"),
            submit=_("Dispatch"),
            follows=_("The warehouse is told to pack it at once, also before a presale date."),
            done=_("Order %(number)s is dispatched."),
        )

    def ask_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put the waiting request to the warehouse once more; posted from the order page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perms(["orders.view_order", "orders.stop_order"]):
            raise PermissionDenied
        order = self.order_of(object_id)
        try:
            ask_again(order.pk, actor=acting(request))
        except OrderError as error:
            messages.error(request, error.message)
        else:
            done = _("The warehouse was asked again to stop order %(number)s.")
            messages.success(request, done % {"number": order.number})
        return redirect("admin:orders_order_change", order.pk)

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a note; posted from the order page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("orders.note_order"):
            raise PermissionDenied
        order = self.order_of(object_id)
        try:
            text = request.POST.get("reason", "").replace("\x00", "")[:500]
            note_order(order.pk, actor=acting(request), text=text)
        except OrderError as error:
            messages.error(request, error.message)
        return redirect("admin:orders_order_change", order.pk)
