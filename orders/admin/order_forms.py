"""Forms of the acts on one order; shape only, lifecycle says whether an act is possible."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from orders.admin.act_pages import ActForm
from orders.admin.facts_shown import mask_street
from orders.models import Courier, Order, OrderLine, Packaging, Warehouse
from orders.phones import mask_name, mask_phone

KEEP = _("Leave empty to keep what is stored.")
PERSONAL = ("name", "phone", "street")
PLACE = ("province", "city", "district")
PLAIN = ("invoice_title", "delivery_slot", "seller_remark")


class EditForm(ActForm):
    """Key fields to correct; personal ones start empty, so that opening the form shows none."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    province = forms.CharField(label=_("province"), max_length=40)
    city = forms.CharField(label=_("city"), max_length=60, required=False)
    district = forms.CharField(label=_("district"), max_length=60, required=False)
    street = forms.CharField(
        label=_("street address"), max_length=255, required=False, help_text=KEEP
    )
    name = forms.CharField(label=_("recipient"), max_length=120, required=False, help_text=KEEP)
    phone = forms.CharField(
        label=_("recipient's phone"), max_length=40, required=False, help_text=KEEP
    )
    invoice_title = forms.CharField(label=_("invoice title"), max_length=120, required=False)
    delivery_slot = forms.CharField(label=_("delivery slot"), max_length=60, required=False)
    seller_remark = forms.CharField(
        label=_("seller's remark"),
        max_length=2000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    reason = forms.CharField(label=_("reason"), max_length=500, required=False)

    def __init__(self, data: Any, order: Order) -> None:
        initial = {name: getattr(order, name) for name in (*PLACE, *PLAIN)}
        super().__init__(data, initial={**initial, "version": order.version})
        hints = {
            "street": mask_street(order.street),
            "name": mask_name(order.ship_name),
            "phone": mask_phone(order.ship_phone or order.ship_phone_masked),
        }
        for name, hint in hints.items():
            self.fields[name].widget.attrs["placeholder"] = hint

    def changes(self) -> dict[str, Any]:
        """What differs from the form as it was opened, as change_order takes it."""
        ship_to = {
            name: self.cleaned_data[name] for name in PERSONAL if self.cleaned_data[name].strip()
        }
        if any(name in self.changed_data for name in PLACE):
            ship_to |= {name: self.cleaned_data[name] for name in PLACE}
        fields: dict[str, Any] = {
            name: self.cleaned_data[name] for name in PLAIN if name in self.changed_data
        }
        return {**({"ship_to": ship_to} if ship_to else {}), **fields}


class SlotsForm(ActForm):
    """A person's choice of routing; what is left empty stays with the rules."""

    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(is_active=True),
        label=_("warehouse"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    courier = forms.ModelChoiceField(
        Courier.objects.filter(is_active=True),
        label=_("courier"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    packaging = forms.ModelChoiceField(
        Packaging.objects.filter(is_active=True),
        label=_("packaging"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    lane = forms.CharField(label=_("lane"), max_length=40, required=False)
    print_priority = forms.IntegerField(
        label=_("print priority"),
        min_value=1,
        max_value=9999,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, data: Any, order: Order) -> None:
        names = ("warehouse", "courier", "packaging", "lane", "print_priority")
        super().__init__(data, initial={name: getattr(order, name) for name in names})

    def slots(self) -> dict[str, Any]:
        """The slots that were changed, records by code."""
        chosen = {}
        for name in self.changed_data:
            value = self.cleaned_data[name]
            if value not in (None, ""):
                chosen[name] = getattr(value, "code", value)
        return chosen


class SplitForm(ActForm):
    """How many units of each line go into the second parcel; the rest stay in the first."""

    def __init__(self, data: Any, lines: list[OrderLine]) -> None:
        super().__init__(data)
        self.lines = lines
        for line in lines:
            self.fields[f"line_{line.position}"] = forms.IntegerField(
                label=f"{line.sku.code} {line.sku.name} × {line.quantity}",
                min_value=0,
                max_value=line.quantity,
                initial=0,
                widget=UnfoldAdminIntegerFieldWidget,
            )

    def parts(self) -> list[list[tuple[int, int]]]:
        """(position, units) of the first and the second child order."""
        moved = {line.position: self.cleaned_data[f"line_{line.position}"] for line in self.lines}
        first = [(line.position, line.quantity - moved[line.position]) for line in self.lines]
        second = [(line.position, moved[line.position]) for line in self.lines]
        return [[item for item in part if item[1]] for part in (first, second)]


class MergeForm(ActForm):
    """Other orders that may travel along; only what the page offers can be chosen."""

    numbers = forms.MultipleChoiceField(
        label=_("orders to ship together with this one"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, data: Any, choices: list[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["numbers"].choices = choices  # type: ignore[attr-defined]
