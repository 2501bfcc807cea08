"""Brings the sample's dates to the present: whole days later, the time of day untouched."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from config.demo.sample_goods import read_invoices

SHOP_ZONE = ZoneInfo("Asia/Shanghai")
# Between placing an order and paying for it, at most.
SLOWEST_PAYMENT = timedelta(minutes=15)


def in_shop(now: datetime | None) -> datetime:
    """`now`, or the present, on the shop's clock."""
    return (now or datetime.now(SHOP_ZONE)).astimezone(SHOP_ZONE)


def days_to_present(now: datetime | None = None) -> int:
    """Whole days that bring the last order close to `now`, and never past it."""
    latest = (in_shop(now) - SLOWEST_PAYMENT).replace(tzinfo=None)
    last = read_invoices()[-1].at
    days = (latest.date() - last.date()).days
    return days if last + timedelta(days=days) <= latest else days - 1


def shifted(at: datetime, days: int) -> datetime:
    """The same time of day, whole days later, in the shop's zone."""
    return (at + timedelta(days=days)).replace(tzinfo=SHOP_ZONE)
