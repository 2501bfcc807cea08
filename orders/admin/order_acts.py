"""The buttons of the order page: which there are, in which states, for whom."""

from typing import Any

from django.utils.translation import gettext_lazy

from orders.admin.base import allows
from orders.admin.order_act_base import WITH_US
from orders.admin.order_correcting import CorrectingActs
from orders.admin.order_routing import RoutingActs
from orders.admin.order_stopping import StoppingActs
from orders.status import OrderState

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


class OrderActs(StoppingActs, CorrectingActs, RoutingActs):
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
