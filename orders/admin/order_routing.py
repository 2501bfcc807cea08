"""Buttons of the order page that route: choose slots, split in two, merge."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from orders.admin.base import acting
from orders.admin.order_act_base import WITH_US, OrderActBase
from orders.admin.order_forms import MergeForm, SlotsForm, SplitForm
from orders.display import ago_text, money
from orders.errors import OrderError
from orders.lifecycle.routing_choices import choose_slots
from orders.lifecycle.splitting import merge_orders, split_order
from orders.models import Order


class RoutingActs(OrderActBase):
    @action(
        description=gettext_lazy("Choose routing"),
        url_path="slots",
        icon="alt_route",
        permissions=["route_order"],
    )
    def slots(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.order_of(object_id)
        form = SlotsForm(request.POST if request.method == "POST" else None, order)

        def act() -> None:
            chosen = form.slots()
            if not chosen:
                raise OrderError(_("Nothing differs from what is stored."))
            choose_slots(order.pk, actor=acting(request), **chosen)

        return self.formed(
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
        order = self.order_of(object_id)
        lines = list(order.lines.select_related("sku").order_by("position"))
        form = SplitForm(request.POST if request.method == "POST" else None, lines)
        return self.formed(
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
        order = self.order_of(object_id)
        choices = [
            (
                other.number,
                f"{other.number} · {money(other.grand_total, other.currency)}"
                f" · {ago_text(other.placed_at)}",
            )
            for other in mergeable(order)
        ]
        form = MergeForm(request.POST if request.method == "POST" else None, choices)
        return self.formed(
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
