"""From a hold to a snooze: the rule that held this order sleeps for its customer for a while."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from changefeed.clock import database_now
from orders.admin.act_pages import act_page, found
from orders.admin.base import acting
from orders.admin.board.requests import leave_to_claimant
from orders.errors import OrderError
from orders.lifecycle.holds import release_hold
from orders.models import Hold
from orders.status import HoldOwner, HoldState
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import snooze_rule

DAYS = (7, 30, 90)


class HoldSnoozeForm(forms.Form):
    """How long, why, and whether the hold that shows it is lifted too."""

    days = forms.TypedChoiceField(
        label=gettext_lazy("for how long"),
        coerce=int,
        initial=30,
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label=gettext_lazy("reason"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    release = forms.BooleanField(
        label=gettext_lazy("Release this hold too, for the same reason"),
        required=False,
        widget=UnfoldBooleanWidget,
    )

    def __init__(self, *args: Any, may_release: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].choices = [  # type: ignore[attr-defined]
            (days, ngettext("%(days)d day", "%(days)d days", days) % {"days": days})
            for days in DAYS
        ]
        if not may_release:
            del self.fields["release"]


def snooze_from_hold(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """The page on which the rule of a hold is put to sleep for the order's customer."""
    may = request.user.has_perm
    if not (may("rules.add_rulesnooze") and may("orders.view_hold")):
        raise PermissionDenied
    hold = found(Hold.objects.select_related("order__customer"), object_id)
    if hold.owner != HoldOwner.RULE:
        messages.error(request, _("Only what a rule held can be snoozed."))
        return redirect("admin:orders_hold_change", hold.pk)
    form = HoldSnoozeForm(
        request.POST or None,
        may_release=hold.state == HoldState.OPEN and may("orders.decide_hold"),
    )
    if request.method == "POST" and form.is_valid() and _snooze(request, hold, form):
        return redirect("admin:orders_hold_change", hold.pk)
    return act_page(
        model_admin,
        request,
        form,
        title=_("Snooze this rule for this customer"),
        subject=_("%(rule)s · customer %(customer)s")
        % {"rule": hold.rule_name, "customer": hold.order.customer.external_id},
        follows=_(
            "Until then the rule is passed over for this customer's orders, and for nobody else's."
        ),
        submit=_("Snooze"),
        back=("admin:orders_hold_change", hold.pk),
    )


def _snooze(request: HttpRequest, hold: Hold, form: HoldSnoozeForm) -> bool:
    """Snooze, and release if asked: both or neither."""
    data = form.cleaned_data
    customer = hold.order.customer.external_id
    try:
        with transaction.atomic():
            until = database_now() + timedelta(days=data["days"])
            actor = acting(request)
            snooze_rule(hold.rule_key, customer, until, data["reason"], actor.name)
            if data.get("release"):
                leave_to_claimant(hold, request)
                release_hold(hold.pk, actor=actor, reason=data["reason"])
    except (OrderError, NotPossible, DocumentInvalid) as error:
        form.add_error(None, getattr(error, "message", "") or str(error))
        return False
    text = _("The rule “%(rule)s” sleeps for customer %(customer)s for %(days)d days.")
    told = {"rule": hold.rule_name, "customer": customer, "days": data["days"]}
    messages.success(request, text % told)
    if data.get("release"):
        messages.success(request, _("Released."))
    return True
