"""The sample's buyers: real customer numbers, everything else about them invented."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from config.demo.sample_clock import shifted
from config.demo.sample_goods import Invoice, read_invoices
from config.demo.sample_people import GRADES, draw, name_of, phone_of, pick
from config.demo.sample_roles import cast


@dataclass(frozen=True, slots=True)
class SampleCustomer:
    """A buyer as the CRM knows it; `sign_for_rate` from 0 to 1."""

    external_id: str
    name: str
    phone: str
    registered_at: datetime
    crm_grade: str
    is_employee: bool
    sign_for_rate: Decimal


def external_id(invoice: Invoice) -> str:
    return f"C-{invoice.customer}"


def small_hours(invoice: Invoice, seed: int) -> datetime:
    """A moment between two and four in the morning of the invoice's day."""
    minutes = 120 + draw(120, seed, "small hours", invoice.number)
    return invoice.at.replace(hour=minutes // 60, minute=minutes % 60)


def is_employee(invoice: Invoice, kind: str, seed: int) -> bool:
    """Half of the refused staff purchases are real staff buying too much."""
    return kind == "employee" or (
        kind == "employee-purchase" and not draw(2, seed, "employee", invoice.number)
    )


@cache
def customers(seed: int, days: int) -> dict[str, SampleCustomer]:
    """Every buyer by external id, in the order of their first orders."""
    chosen = cast(seed)
    found: dict[str, SampleCustomer] = {}
    for invoice in read_invoices():
        key = external_id(invoice)
        if key in found:
            continue
        kind = chosen.role(invoice).kind
        if kind == "lens":
            before = timedelta(minutes=40 + draw(1_000, seed, "new account", key))
            registered = small_hours(invoice, seed) - before
        else:
            registered = invoice.at - timedelta(days=30 + draw(900, seed, "account", key))
        found[key] = SampleCustomer(
            external_id=key,
            name=name_of(seed, key),
            phone=phone_of(len(found)),
            registered_at=shifted(registered, days),
            crm_grade=pick(GRADES, seed, "grade", key),
            is_employee=is_employee(invoice, kind, seed),
            sign_for_rate=Decimal(900 + draw(101, seed, "signed for", key)) / 1000,
        )
    return found
