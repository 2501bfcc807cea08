"""How often a customer's delivery address changed; pure.

Counted over the customer's orders of 30 days, cancelled ones too, from the oldest to the one that
is asked about, at most the last MOST_ORDERS of them; of a split order only the parent counts. An
order whose address was edited counts each edit. Any other counts once when its address, however
it is spelt, is not that of the order before it. So two orders to A, one to B and one to A again
are two changes, and an order to A that an agent moved to B is one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(days=30)
MOST_ORDERS = 50


@dataclass(frozen=True, slots=True)
class Visit:
    """An order as an address: when it was placed, the address's key, and edits of the address."""

    placed_at: datetime
    address_key: str
    edits: int = 0


def address_changes(earlier: Iterable[Visit], own: Visit) -> int:
    """Changes up to `own`; `earlier` are orders placed before it, in the order they came in."""
    recent = [
        visit
        for visit in sorted(earlier, key=lambda visit: visit.placed_at)
        if own.placed_at - WINDOW < visit.placed_at <= own.placed_at
    ][-MOST_ORDERS:]
    changes, previous = 0, ""
    for visit in [*recent, own]:
        if visit.edits:
            changes += visit.edits
        elif previous and visit.address_key != previous:
            changes += 1
        previous = visit.address_key
    return changes
