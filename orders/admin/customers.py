"""Admin of customers: masked contact, figures, latest orders; a few traits may be corrected."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from orders.admin.base import DeskAdmin
from orders.admin.facts_shown import customer_figures
from orders.admin.searching import customers_by_phone
from orders.display import ago, money
from orders.models import Customer, Order
from orders.phones import mask_name, mask_phone

LATEST = 20


@admin.register(Customer)
class CustomerAdmin(DeskAdmin):
    list_display = ("external_id", "masked_name", "masked_phone", "crm_grade", "is_employee")
    list_display_links = ("external_id",)
    search_fields = ("external_id",)
    search_help_text = _("Customer number or phone")
    ordering = ("-id",)
    sortable_by = ()
    paginator = InfinitePaginator
    fields = (
        *("external_id", "masked_name", "masked_phone", "registered", "crm_grade"),
        *("is_employee", "sign_for_rate", "figures", "latest"),
    )
    readonly_fields = (
        *("external_id", "masked_name", "masked_phone", "registered", "figures", "latest"),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Customer | None:
        found: Customer | None = super().get_object(request, unquote(object_id), from_field)
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Customer]", search_term: str
    ) -> tuple["QuerySet[Customer]", bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        spellings = {term, term.upper()}
        keys = set(
            Customer.objects.filter(external_id__in=spellings).values_list("pk", flat=True)
        ) | set(customers_by_phone(term))
        for spelling in spellings if len(term) >= 3 else ():
            beginning = Customer.objects.filter(external_id__startswith=spelling)
            keys |= set(beginning.order_by("external_id").values_list("pk", flat=True)[:200])
        return queryset.filter(pk__in=keys), False

    @display(description=_("name"))
    def masked_name(self, customer: Customer) -> str:
        return mask_name(customer.name)

    @display(description=_("phone"))
    def masked_phone(self, customer: Customer) -> str:
        return mask_phone(customer.phone)

    @display(description=_("registered at"))
    def registered(self, customer: Customer) -> str:
        return ago(customer.registered_at)

    @display(description=_("in figures"))
    def figures(self, customer: Customer) -> str:
        summary = customer_figures(customer, timezone.now())
        return format_html(
            '<span class="desk-figure">{}</span>',
            _("%(orders)s orders, %(spend)s spent, %(returns)s returns in 180 days")
            % {"orders": summary.orders, "spend": summary.spend, "returns": summary.returns},
        )

    @display(description=_("latest orders"))
    def latest(self, customer: Customer) -> str:
        orders = Order.objects.filter(customer=customer).order_by("-placed_at")[:LATEST]
        return format_html_join(
            "",
            '<a class="desk-link" href="../../../order/{}/change/">{}</a> '
            '<span class="desk-state is-{}">{}</span> <span class="desk-figure">{}</span><br>',
            (
                (
                    order.pk,
                    order.number,
                    order.state,
                    order.get_state_display(),
                    money(order.grand_total, order.currency),
                )
                for order in orders
            ),
        )
