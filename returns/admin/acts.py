"""The buttons of a return: each a small page with a form that calls lifecycle."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action
from unfold.enums import ActionVariant

from orders.admin.act_pages import ReasonForm, act_page, found
from orders.admin.base import acting
from orders.display import money
from orders.errors import AlreadyDone, InvalidOrder, OrderError
from returns.admin.forms import OptionalReasonForm, ReceiveForm
from returns.lifecycle import (
    approve_return,
    close_return,
    receive_goods,
    refuse_return,
    withdraw_return,
)
from returns.models import ReturnRequest
from returns.status import ReturnState

_PATH = re.compile(r"lines\[(\d+)\]\.(\w+)")


def may(codename: str) -> Callable[..., bool]:
    """A has_…_permission method that asks for one permission of the returns app."""

    def has_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"returns.{codename}")

    return has_permission


def offered(name: str, request: ReturnRequest) -> bool:
    """Whether the button makes sense now; lifecycle refuses by itself when it does not."""
    waits = request.state == ReturnState.REQUESTED
    approved = request.state == ReturnState.APPROVED
    return {
        "approve": waits,
        "refuse": waits,
        "receive": approved and request.brings_goods,
        "close": request.state == ReturnState.RECEIVED or (approved and not request.brings_goods),
        "withdraw": waits or (approved and request.brings_goods),
    }[name]


def add_errors(form: forms.Form, error: OrderError, names: dict[str, list[str]]) -> None:
    """Put each error beside its field; `names` gives the form's fields by line for a path's end."""
    if not isinstance(error, InvalidOrder):
        form.add_error(None, error.message)
        return
    for one in error.errors:
        path = _PATH.fullmatch(one.field)
        fields = names.get(path[2], []) if path else []
        index = int(path[1]) if path else 0
        name = fields[index] if index < len(fields) else one.field
        form.add_error(name if name in form.fields else None, str(one.message))


class ReturnActs:
    """Mixed into ReturnRequestAdmin; the permission of each act stands in its decorator."""

    actions_detail: Any = ("approve", "receive", "close", "refuse", "withdraw")

    has_decide_permission = may("decide_returnrequest")
    has_receive_permission = may("receive_returnrequest")

    @action(
        description=gettext_lazy("Approve"),
        url_path="approve",
        icon="check",
        variant=ActionVariant.PRIMARY,
        permissions=["decide"],
    )
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self._return(object_id)
        form = OptionalReasonForm(request.POST if request.method == "POST" else None)
        refund = money(one.refund_amount, one.order.currency)
        if not one.gives_money:
            follows = _("The customer sends the goods back and gets others for them.")
        elif one.brings_goods:
            follows = _("The customer sends the goods back; %(refund)s is due once they came.")
        else:
            follows = _("%(refund)s is asked for at once; no goods come back.")
        return self._formed(
            request,
            one,
            form,
            lambda: approve_return(
                one.number, actor=acting(request), reason=form.cleaned_data["reason"]
            ),
            title=_("Approve return"),
            submit=_("Approve"),
            follows=follows % {"refund": refund},
            done=_("Return %(number)s is approved."),
        )

    @action(
        description=gettext_lazy("Refuse"),
        url_path="refuse",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["decide"],
    )
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self._return(object_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        return self._formed(
            request,
            one,
            form,
            lambda: refuse_return(
                one.number, actor=acting(request), reason=form.cleaned_data["reason"]
            ),
            title=_("Refuse return"),
            submit=_("Refuse"),
            follows=_("The customer reads the reason. The units may be asked back again."),
            done=_("Return %(number)s is refused."),
            danger=True,
        )

    @action(
        description=gettext_lazy("Receive goods"),
        url_path="receive",
        icon="inventory",
        variant=ActionVariant.PRIMARY,
        permissions=["receive"],
    )
    def receive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self._return(object_id)
        lines = list(one.lines.select_related("order_line__sku"))
        form = ReceiveForm(request.POST if request.method == "POST" else None, one, lines)
        return self._formed(
            request,
            one,
            form,
            lambda: receive_goods(
                one.number,
                form.inspected(),
                warehouse=form.cleaned_data["warehouse"].code,
                actor=acting(request),
            ),
            title=_("Receive goods"),
            submit=_("Confirm receipt"),
            follows=_("Good units go back to stock. Units that did not come are not refunded."),
            done=_("The goods of return %(number)s are received."),
            template="admin/returns/receive_page.html",
            names={
                "good_units": [f"good_{line.order_line.position}" for line in lines],
            },
        )

    @action(
        description=gettext_lazy("Close"),
        url_path="close",
        icon="done_all",
        permissions=["decide"],
    )
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self._return(object_id)
        return self._formed(
            request,
            one,
            forms.Form(request.POST if request.method == "POST" else None),
            lambda: close_return(one.number, actor=acting(request)),
            title=_("Close return"),
            submit=_("Close"),
            follows=_("Everything is done; nothing can follow."),
            done=_("Return %(number)s is closed."),
        )

    @action(
        description=gettext_lazy("Withdraw"),
        url_path="withdraw",
        icon="undo",
        permissions=["decide"],
    )
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self._return(object_id)
        form = OptionalReasonForm(request.POST if request.method == "POST" else None)
        return self._formed(
            request,
            one,
            form,
            lambda: withdraw_return(
                one.number, actor=acting(request), reason=form.cleaned_data["reason"]
            ),
            title=_("Withdraw return"),
            submit=_("Withdraw"),
            follows=_("The customer keeps the goods; the return no longer counts."),
            done=_("Return %(number)s is withdrawn."),
        )

    def _return(self, object_id: str) -> ReturnRequest:
        return found(ReturnRequest.objects.select_related("order"), unquote(object_id))

    def _formed(
        self,
        request: HttpRequest,
        one: ReturnRequest,
        form: forms.Form,
        act: Callable[[], Any],
        *,
        done: str,
        names: dict[str, list[str]] | None = None,
        **page: Any,
    ) -> HttpResponse:
        """The page of an act; once acted, or when somebody else was first, back to the return."""
        home = redirect("admin:returns_returnrequest_change", one.pk)
        if form.is_bound and form.is_valid():
            try:
                act()
            except AlreadyDone as error:
                messages.error(request, error.message)
                return home
            except OrderError as error:
                add_errors(form, error, names or {})
            else:
                messages.success(request, done % {"number": one.number})
                return home
        return act_page(
            self,  # type: ignore[arg-type]
            request,
            form,
            subject=f"{page['title']} · {one.number}",
            back=("admin:returns_returnrequest_change", one.pk),
            **page,
        )
