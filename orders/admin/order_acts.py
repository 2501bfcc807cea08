"""The buttons of the order page: each a small page with a form that calls lifecycle."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from orders.admin.act_pages import ActForm, ReasonForm, act_page, found
from orders.admin.base import acting, allows
from orders.admin.conflicts import changes_since
from orders.admin.order_forms import EditForm, MergeForm, SlotsForm, SplitForm
from orders.display import ago_text, money
from orders.errors import InvalidOrder, OrderError, VersionConflict
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_order
from orders.lifecycle.holds import hold_order
from orders.lifecycle.noting import note_order
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.routing_choices import choose_slots
from orders.lifecycle.splitting import merge_orders, split_order
from orders.models import Order, StopRequest
from orders.status import BEFORE_DISPATCH, OrderState

SHOWN = ("channel", "customer", "warehouse", "courier", "packaging", "stock_warehouse")
WITH_US = tuple(BEFORE_DISPATCH)
OFFERED: dict[str, tuple[str, ...]] = {
    "hold_order": WITH_US,
    "dispatch_now": (OrderState.READY,),
    "recall": (OrderState.DISPATCHED,),
    "edit": (*WITH_US, OrderState.DISPATCHED),
    "slots": WITH_US,
    "split": WITH_US,
    "merge": WITH_US,
    "cancel": (*WITH_US, OrderState.DISPATCHED),
}
"""The states in which a button is shown; lifecycle refuses by itself in all others."""


class OrderActs:
    """Mixed into OrderAdmin; the permission of each act stands in its decorator."""

    actions_detail: Any = (
        "hold_order",
        "dispatch_now",
        "recall",
        "edit",
        {
            "title": gettext_lazy("Routing"),
            "icon": "alt_route",
            "items": ["slots", "split", "merge"],
        },
        "cancel",
    )

    has_stop_order_permission = allows("stop_order")
    has_route_order_permission = allows("route_order")
    has_edit_order_permission = allows("edit_order")

    @action(
        description=gettext_lazy("Hold"),
        url_path="hold",
        icon="front_hand",
        permissions=["stop_order"],
    )
    def hold_order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._reasoned(
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
        return self._reasoned(
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
        return self._reasoned(
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
        order = self._order(object_id)
        form = ActForm(request.POST if request.method == "POST" else None)
        return self._formed(
            request,
            order,
            form,
            lambda: dispatch_order(order.pk, actor=acting(request)),
            title=_("Dispatch now"),
            submit=_("Dispatch"),
            follows=_("The warehouse is told to pack it at once, also before a presale date."),
            done=_("Order %(number)s is dispatched."),
        )

    @action(
        description=gettext_lazy("Correct"),
        url_path="edit",
        icon="edit",
        permissions=["edit_order"],
    )
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(object_id)
        form = EditForm(request.POST if request.method == "POST" else None, order)
        page: dict[str, Any] = {
            "title": _("Correct the order"),
            "submit": _("Save the correction"),
            "follows": _(
                "A corrected order is screened again. With the warehouse, the correction waits "
                "for its answer."
            ),
        }

        def act() -> None:
            changes = form.changes()
            if not changes:
                raise OrderError(_("Nothing differs from what is stored."))
            change_order(
                order.number,
                version=form.cleaned_data["version"],
                fields=changes,
                actor=acting(request),
                reason=form.cleaned_data["reason"],
            )

        if form.is_bound and form.is_valid():
            try:
                act()
            except VersionConflict as conflict:
                page["conflict"] = changes_since(order.number, form.cleaned_data["version"])
                page["submit"] = _("Save mine as well")
                form.data = form.data.copy()
                form.data["version"] = str(conflict.current)
                form.add_error(None, conflict.message)
            except InvalidOrder as invalid:
                for error in invalid.errors:
                    name = error.field.removeprefix("ship_to.")
                    form.add_error(name if name in form.fields else None, str(error.message))
            except OrderError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, self._correction_done(order))
                return redirect("admin:orders_order_change", order.pk)
        return self._act_page(request, order, form, template="admin/orders/edit_page.html", **page)

    @action(
        description=gettext_lazy("Choose routing"),
        url_path="slots",
        icon="alt_route",
        permissions=["route_order"],
    )
    def slots(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(object_id)
        form = SlotsForm(request.POST if request.method == "POST" else None, order)

        def act() -> None:
            chosen = form.slots()
            if not chosen:
                raise OrderError(_("Nothing differs from what is stored."))
            choose_slots(order.pk, actor=acting(request), **chosen)

        return self._formed(
            request,
            order,
            form,
            act,
            title=_("Choose routing"),
            submit=_("Save the choice"),
            follows=_("What a person chooses here is never overwritten by rules."),
            done=_("The routing of order %(number)s is chosen."),
        )

    @action(
        description=gettext_lazy("Split in two"),
        url_path="split",
        icon="call_split",
        permissions=["route_order"],
    )
    def split(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(object_id)
        lines = list(order.lines.select_related("sku").order_by("position"))
        form = SplitForm(request.POST if request.method == "POST" else None, lines)
        return self._formed(
            request,
            order,
            form,
            lambda: split_order(order.number, form.parts(), actor=acting(request)),
            title=_("Split in two"),
            submit=_("Split"),
            follows=_(
                "Enter the units that go into the second order; the rest stay in the first. Both "
                "share the holds of this order."
            ),
            done=_("Order %(number)s is split in two."),
        )

    @action(
        description=gettext_lazy("Merge"),
        url_path="merge",
        icon="call_merge",
        permissions=["route_order"],
    )
    def merge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(object_id)
        choices = [
            (
                other.number,
                f"{other.number} · {money(other.grand_total, other.currency)}"
                f" · {ago_text(other.placed_at)}",
            )
            for other in mergeable(order)
        ]
        form = MergeForm(request.POST if request.method == "POST" else None, choices)
        return self._formed(
            request,
            order,
            form,
            lambda: merge_orders(order.number, form.cleaned_data["numbers"], actor=acting(request)),
            title=_("Merge orders"),
            submit=_("Merge"),
            follows=_(
                "Only orders of the same customer to the same address are offered. Their holds "
                "come along, and all leave in one parcel."
            )
            if choices
            else _("There is no other order of this customer to the same address."),
            done=_("The orders leave together with %(number)s."),
        )

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a note; posted from the order page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("orders.note_order"):
            raise PermissionDenied
        order = self._order(object_id)
        try:
            text = request.POST.get("reason", "").replace("\x00", "")[:500]
            note_order(order.pk, actor=acting(request), text=text)
        except OrderError as error:
            messages.error(request, error.message)
        return redirect("admin:orders_order_change", order.pk)

    def _correction_done(self, order: Order) -> str:
        waits = order.stop_requests.filter(state=StopRequest.State.WAITING).exists()
        sentence = (
            _("The warehouse was asked to stop; the correction of %(number)s waits for its answer.")
            if waits
            else _("The correction of order %(number)s is saved.")
        )
        return sentence % {"number": order.number}

    # --- shared --------------------------------------------------------------------------------

    def _order(self, object_id: str) -> Order:
        return found(Order.objects.select_related(*SHOWN), unquote(str(object_id)))

    def _reasoned(
        self,
        request: HttpRequest,
        object_id: str,
        act: Callable[[Order, str], Any],
        **page: Any,
    ) -> HttpResponse:
        order = self._order(object_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        return self._formed(
            request, order, form, lambda: act(order, form.cleaned_data["reason"]), **page
        )

    def _formed(
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
        return self._act_page(request, order, form, **page)

    def _act_page(
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


def mergeable(order: Order) -> list[Order]:
    """Orders that could travel along: same customer, address, recipient and currency, all here."""
    return list(
        Order.objects.filter(
            customer_id=order.customer_id,
            address_key=order.address_key,
            ship_name=order.ship_name,
            currency=order.currency,
            state__in=WITH_US,
            split_into=0,
            merged_into_number="",
        )
        .exclude(pk=order.pk)
        .order_by("-placed_at")[:20]
    )
