"""The order page's form for corrections; a conflict shows what somebody else changed meanwhile."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from orders.admin.base import acting
from orders.admin.conflicts import changes_since
from orders.admin.order_act_base import OrderActBase
from orders.admin.order_forms import EditForm
from orders.errors import InvalidOrder, OrderError, VersionConflict
from orders.lifecycle.changing import change_order
from orders.models import Order, StopRequest


class CorrectingActs(OrderActBase):
    @action(
        description=gettext_lazy("Correct"),
        url_path="edit",
        icon="edit",
        permissions=["edit_order"],
    )
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.order_of(object_id)
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
                data: QueryDict = request.POST.copy()
                data["version"] = str(conflict.current)
                form.data = data
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
        return self.page_of_act(
            request, order, form, template="admin/orders/edit_page.html", **page
        )

    def _correction_done(self, order: Order) -> str:
        waits = order.stop_requests.filter(state=StopRequest.State.WAITING).exists()
        sentence = (
            _("The warehouse was asked to stop; the correction of %(number)s waits for its answer.")
            if waits
            else _("The correction of order %(number)s is saved.")
        )
        return sentence % {"number": order.number}
