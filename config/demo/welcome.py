"""What a visitor reads while the demo is up: addresses, logins, first steps, text messages."""

from pathlib import Path
from time import sleep

from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from config.demo.children import Addresses
from config.demo.loading import ADMIN, PASSWORD, STAFF
from config.processes import Processes
from orders.models import Order
from orders.status import OrderState

PORTAL = "/portal/"


def welcome(console: Console, addresses: Addresses) -> None:
    """Print everything needed to begin."""
    console.print(_addresses_table(addresses))
    console.print(_logins_table())
    console.print(_("What to click first"), style="bold")
    for number, step in enumerate(_steps(addresses), start=1):
        console.print(f"  {number}. {step}", soft_wrap=True)
    console.print(_("Stop with Ctrl-C."))


def stay(console: Console, processes: Processes, outbox: Path) -> None:
    """Stay until a signal comes, showing text messages as the phones would.

    Raises ProcessFailed when a process ends by itself.
    """
    shown = len(_messages(outbox))
    while True:
        processes.check()
        messages = _messages(outbox)
        for _at, phone, text in messages[shown:]:
            words = _("Text message to %(phone)s: %(text)s") % {"phone": phone, "text": text}
            console.print(words, markup=False)
        shown = len(messages)
        sleep(0.5)


def _messages(outbox: Path) -> list[list[str]]:
    """Time, phone and text of every message written so far."""
    try:
        lines = outbox.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [found for line in lines if len(found := line.split("\t")) == 3]


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
        table.add_row(phone, _("a code, shown here"), _("a customer, in the portal"))
    return table


def _steps(addresses: Addresses) -> list[str]:
    return [
        _("Sign in as supervisor at %(url)s: the orders left on hold wait on the board.")
        % {"url": addresses.web + reverse("admin:orders_hold_changelist")},
        _("Release one and watch it leave: its page tells who did what, when and why."),
        _("Sign in as operations at %(url)s and read the rules that held them.")
        % {"url": addresses.web + reverse("admin:rules_rule_changelist")},
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
