"""The forms of returns: which units come back, why, and what was found on arrival."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.forms import BoundField
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from orders.admin.act_pages import ActForm
from orders.models import Warehouse
from returns.admin.shown import OfferedLine
from returns.lifecycle import InspectedLine, RequestedLine
from returns.models import ReturnLine, ReturnRequest
from returns.status import ReturnKind


class FindOrderForm(forms.Form):
    """Which order the goods belong to."""

    order = forms.CharField(
        label=_("Order number"), max_length=64, widget=UnfoldAdminTextInputWidget()
    )


class OptionalReasonForm(ActForm):
    """An act whose reason may stay empty."""

    reason = forms.CharField(
        label=_("Note"),
        max_length=500,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


def _units(label: Any, most: int, **given: Any) -> forms.IntegerField:
    widget = UnfoldAdminIntegerFieldWidget(attrs={"inputmode": "numeric", "class": "return-units"})
    return forms.IntegerField(label=label, min_value=0, max_value=most, widget=widget, **given)


class RequestForm(ActForm):
    """Units by line; `request_id` makes a second press of the button harmless."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=ReturnKind.choices,
        initial=ReturnKind.RETURN_REFUND,
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=1000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )
    request_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, data: Any, offered: Sequence[OfferedLine]) -> None:
        super().__init__(data)
        self.offered = offered
        if not any(one.units and not one.exchange_only for one in offered):
            self.initial["kind"] = ReturnKind.EXCHANGE
        for one in offered:
            if one.units:
                label = f"{_('Units to return')}: {one.sku}"
                self.fields[f"line_{one.position}"] = _units(label, one.units, required=False)

    def rows(self) -> list[tuple[OfferedLine, BoundField | None]]:
        """Every line of the order, with its field where something may be returned."""
        return [
            (one, self[name] if (name := f"line_{one.position}") in self.fields else None)
            for one in self.offered
        ]

    def chosen(self) -> list[RequestedLine]:
        return [
            RequestedLine(one.position, units)
            for one in self.offered
            if (units := self.cleaned_data.get(f"line_{one.position}"))
        ]


class ReceiveForm(ActForm):
    """Good and bad units of every line, and where they lie now."""

    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(is_active=True),
        label=_("Warehouse"),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, data: Any, request: ReturnRequest, lines: Sequence[ReturnLine]) -> None:
        order = request.order
        super().__init__(
            data, initial={"warehouse": order.warehouse_id or order.stock_warehouse_id}
        )
        self.lines = lines
        for line in lines:
            position, code = line.order_line.position, line.order_line.sku.code
            for name, label, initial in (
                ("good", _("Good units"), line.quantity),
                ("bad", _("Bad units"), 0),
            ):
                self.fields[f"{name}_{position}"] = _units(
                    f"{label}: {code}", line.quantity, initial=initial
                )

    def rows(self) -> list[tuple[ReturnLine, BoundField, BoundField]]:
        return [
            (
                line,
                self[f"good_{line.order_line.position}"],
                self[f"bad_{line.order_line.position}"],
            )
            for line in self.lines
        ]

    def inspected(self) -> list[InspectedLine]:
        return [
            InspectedLine(
                line.order_line.position,
                self.cleaned_data[f"good_{line.order_line.position}"],
                self.cleaned_data[f"bad_{line.order_line.position}"],
            )
            for line in self.lines
        ]
