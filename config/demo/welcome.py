"""What a visitor reads when the demo is up: addresses, logins, and what to click first."""

from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from config.demo.children import Addresses
from config.demo.loading import ADMIN, PASSWORD, STAFF
from orders.models import Order
from orders.status import OrderState

PORTAL = "/portal/"


def welcome(console: Console, addresses: Addresses) -> None:
    """Print everything needed to begin."""
    console.print(_addresses_table(addresses))
    console.print(_logins_table())
    console.print(f"[bold]{_('What to click first')}[/bold]")
    for number, step in enumerate(_steps(addresses), start=1):
        console.print(f"  {number}. {step}", soft_wrap=True)
    console.print(_("Stop with Ctrl-C."))


def _addresses_table(addresses: Addresses) -> Table:
    table = Table(title=_("Addresses"), title_justify="left", title_style="bold", show_header=False)
    table.add_row(_("the desk"), f"{addresses.web}/admin/")
    table.add_row(_("the API, to browse"), f"{addresses.web}/api/v1/docs/")
    table.add_row(_("stand-in systems, with their switches"), f"{addresses.stand_ins}/")
    if _has_portal():
        table.add_row(_("the customers' portal"), f"{addresses.web}{PORTAL}")
    return table


def _logins_table() -> Table:
    words = {
        "supervisor": _("decides held orders"),
        "operations": _("edits rules, lists and routing"),
        "agent": _("looks after customers"),
        "warehouse": _("sees what not to pack"),
        ADMIN: _("may do everything"),
    }
    table = Table(title=_("Logins"), title_justify="left", title_style="bold")
    for heading in (_("user"), _("password"), ""):
        table.add_column(heading)
    for name in (*STAFF, ADMIN):
        table.add_row(name, PASSWORD, words[name])
    if phone := _customer_phone():
        table.add_row(phone, _("a code, shown on the page"), _("a customer, in the portal"))
    return table


def _steps(addresses: Addresses) -> list[str]:
    return [
        _("Sign in as supervisor at %(url)s: the orders left on hold wait on the board.")
        % {"url": f"{addresses.web}/admin/orders/hold/"},
        _("Release one and watch it leave: its page tells who did what, when and why."),
        _("Sign in as operations at %(url)s and read the rules that held them.")
        % {"url": f"{addresses.web}/admin/rules/"},
        _("Switch the warehouse off at %(url)s, release another, switch it on: nothing is lost.")
        % {"url": f"{addresses.stand_ins}/"},
    ]


def _has_portal() -> bool:
    try:
        return bool(resolve(PORTAL))
    except Resolver404:
        return False


def _customer_phone() -> str:
    """The telephone number of a customer with a subscription under way, once there is a portal."""
    if not _has_portal():
        return ""
    orders = Order.objects.filter(state=OrderState.DISPATCHED).exclude(deliveries=[])
    found = orders.exclude(customer__phone="").order_by("number").first()
    return found.customer.phone if found else ""
