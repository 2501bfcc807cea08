"""Scheduled jobs of the orders app; each may run twice or beside itself."""

from celery import shared_task
from django.utils.translation import gettext

from orders import stop_watch
from orders.lifecycle import dispatching, holds, rescreening, restocking, tallying
from orders.messages import send_text_message

DISPATCH_ROUNDS = 20


@shared_task(name="orders.tasks.dispatch_ready_orders", ignore_result=True, time_limit=120)
def dispatch_ready_orders() -> int:
    """Dispatch waiting orders in batches until none is left or the rounds are used up."""
    sent = 0
    for _round in range(DISPATCH_ROUNDS):
        left = dispatching.dispatch_ready()
        if not left:
            break
        sent += left
    return sent


@shared_task(name="orders.tasks.escalate_overdue_holds", ignore_result=True)
def escalate_overdue_holds() -> int:
    """Mark holds past their promise."""
    return holds.escalate_overdue()


@shared_task(name="orders.tasks.watch_stop_requests", ignore_result=True, time_limit=90)
def watch_stop_requests() -> None:
    """Alert people to requests to stop that no warehouse answers."""
    stop_watch.watch_stops()


@shared_task(name="orders.tasks.fill_short_orders", ignore_result=True, time_limit=120)
def fill_short_orders() -> int:
    """Give stock that came in to the orders waiting for it."""
    return restocking.fill_short()


@shared_task(name="orders.tasks.rescreen_waiting_orders", ignore_result=True, time_limit=120)
def rescreen_waiting_orders() -> int:
    """Screen again the orders that screening could not finish with."""
    return rescreening.rescreen_waiting()


@shared_task(name="orders.tasks.release_due_batches", ignore_result=True)
def release_due_batches() -> int:
    """Send the warehouse the subscription batches whose day has come."""
    return dispatching.release_due_batches()


@shared_task(name="orders.tasks.tally_rules", ignore_result=True, time_limit=600)
def tally_rules() -> int:
    """Sum what the rules did on each closed day."""
    return len(tallying.tally_rules())


@shared_task(name="orders.tasks.send_login_code", ignore_result=True, expires=300)
def send_login_code(phone: str, code: str) -> None:
    """Text a portal code to a phone; without a code (an unknown number) nothing leaves."""
    if code:
        text = gettext("Your Sluice code is %(code)s. It is valid for ten minutes.")
        send_text_message(phone, text % {"code": code})
