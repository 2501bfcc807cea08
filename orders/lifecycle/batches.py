"""One batch of documents from the first look at the database to the last statement."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from orders.actors import Actor
from orders.intake import histories, reading
from orders.intake.answers import Outcome, Placed, holds_in, holds_of, replays
from orders.intake.checks import CheckedOrder, check_order
from orders.intake.document import OrderDocument
from orders.intake.facts import order_facts
from orders.intake.holding import draft_holds
from orders.intake.storage import NewOrder, store_orders, upsert_customers
from orders.intake.viewing import dispatch_after, fact_line, needs_of, view_of
from orders.intake.views import Buyer, Circumstances, History
from orders.lifecycle.stock import (
    Reservation,
    StockRequest,
    foresee_reservation,
    prepare_reservation,
    units_missing,
)
from orders.region_lists import region_lists
from orders.screening import Screened, screen, unscreened
from orders.sql import CHECK_NOW, NO_TIME_LIMIT, Rows, Statement, gather, time_limit
from orders.status import HoldReason, OrderState

TOGETHER = 32
"""So many orders of a batch may take as long to be screened as one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document of readable shape, at its place in the batch."""

    index: int
    document: OrderDocument
    body_hash: str
    key: str


class Batch:
    """One attempt at storing a batch, inside a transaction."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        actor: Actor,
        *,
        is_late: bool = False,
        is_scarce: bool = False,
    ) -> None:
        self.candidates = candidates
        self.actor = actor
        self.is_late = is_late
        self.is_scarce = is_scarce
        self.spent = 0.0
        self.zone = ZoneInfo(settings.SHOP_TIME_ZONE)
        self.answers: dict[int, Placed] = {}

    def run(self) -> dict[int, Placed]:
        documents = [candidate.document for candidate in self.candidates]
        opening = reading.open_batch(
            self.actor,
            [document.number for document in documents],
            [candidate.key for candidate in self.candidates if candidate.key],
            (line.sku for document in documents for line in document.lines),
            (document.customer.external_id for document in documents),
            (coupon.code for document in documents for coupon in document.coupons),
        )
        self.now, self.ids, self.references = opening.now, opening.ids, opening.references
        self.today: date = self.now.astimezone(self.zone).date()
        fresh = self._without_known(opening.by_number, opening.by_key)
        if checked := self._checked(fresh):
            self._store(checked, opening.customers)
        return self.answers

    def _without_known(
        self,
        by_number: Mapping[str, reading.KnownOrder],
        by_key: Mapping[str, reading.KnownOrder],
    ) -> list[Candidate]:
        fresh = []
        again: dict[int, int] = {}
        for candidate in self.candidates:
            number = candidate.document.number
            known = by_key.get(candidate.key) or by_number.get(number)
            if known is None:
                fresh.append(candidate)
            elif known.body_hash == candidate.body_hash and known.number == number:
                again[candidate.index] = known.id
            else:
                self.answers[candidate.index] = Placed(Outcome.CONFLICT, number=number)
        if again:
            answered = replays(list(again.values()))
            self.answers |= {index: answered[order] for index, order in again.items()}
        return fresh

    def _checked(self, fresh: Sequence[Candidate]) -> list[tuple[Candidate, CheckedOrder]]:
        good = []
        for candidate in fresh:
            result = check_order(candidate.document, candidate.body_hash, self.references, self.now)
            if isinstance(result, CheckedOrder):
                good.append((candidate, result))
            else:
                self.answers[candidate.index] = Placed(
                    Outcome.INVALID, number=candidate.document.number, errors=result
                )
        return good

    def _store(
        self,
        checked: Sequence[tuple[Candidate, CheckedOrder]],
        customers: dict[str, reading.KnownCustomer],
    ) -> None:
        orders = [order for _candidate, order in checked]
        screened = self._screen(orders, customers, self._histories(orders, customers))
        reservation = self._reservation(orders, screened)
        news = [
            self._new_order(*item)
            for item in zip(
                self.ids[: len(orders)],
                checked,
                (customers[order.document.customer.external_id].id for order in orders),
                screened,
                reservation.chosen,
                strict=True,
            )
        ]
        held = [new.id for new in news if new.holds]
        last: list[Statement] = [holds_of(held), *CHECK_NOW, *reservation.statements]
        holds, *_checked, reserved = store_orders(news, then=last)
        reservation.confirm(reserved)
        self._answer(checked, news, holds)

    def _histories(
        self, orders: Sequence[CheckedOrder], customers: dict[str, reading.KnownCustomer]
    ) -> list[History]:
        """What each order's address and customer did before; new customers join `customers`."""
        keys = [
            histories.HistoryKey(
                order.address_key,
                order.document.customer.external_id,
                order.document.placed_at,
                amount=order.document.grand_total,
            )
            for order in orders
        ]
        upsert = upsert_customers(orders, customers)
        writing = [upsert] if upsert else []
        if self.is_late:
            written = gather(*writing) if writing else []
            before = [History() for _order in orders]
        else:
            begun = time.perf_counter()
            limit = time_limit(self._seconds_for(len(orders)))
            _limit, read, _free, *written = gather(
                limit, histories.histories(keys), NO_TIME_LIMIT, *writing
            )
            self.spent = (time.perf_counter() - begun) / self._times(len(orders))
            before = histories.histories_in(read, keys)
        for rows in written:
            customers |= reading.known_customers(rows)
        return before

    @staticmethod
    def _times(orders: int) -> float:
        """How many times the reading time of one order so many orders may take."""
        return max(1.0, orders / TOGETHER)

    def _seconds_for(self, orders: int) -> float:
        return settings.SCREENING_BUDGET_MS / 1000 * self._times(orders)

    def _screen(
        self,
        orders: Sequence[CheckedOrder],
        customers: Mapping[str, reading.KnownCustomer],
        before: Sequence[History],
    ) -> list[Screened]:
        free = self._free()
        every = list(self.references.warehouses.values())
        around = Circumstances(
            self.zone, self.now, self.today, region_lists(), self.references.linked_coupons
        )
        screened = []
        for order, history in zip(orders, before, strict=True):
            buyer = customers[order.document.customer.external_id].buyer

            def facts(
                order: CheckedOrder = order, history: History = history, buyer: Buyer = buyer
            ) -> dict[str, object]:
                short = units_missing(free, needs_of(order), every)
                return order_facts(view_of(order, buyer), history, around, units_short=short)

            if self.is_late:
                screened.append(unscreened({}, HoldReason.SCREENING_LATE))
            else:
                screened.append(screen(facts, self.now, self.references, spent=self.spent))
        return screened

    def _reservation(
        self, orders: Sequence[CheckedOrder], screened: Sequence[Screened]
    ) -> Reservation:
        every = list(self.references.warehouses.values())
        requests = []
        for order, result in zip(orders, screened, strict=True):
            named = result.assigned.get("warehouse")
            requests.append(
                StockRequest(order.document.number, needs_of(order), [named] if named else every)
            )
        foreseen = None
        if not self.is_scarce:
            foreseen = foresee_reservation(requests, self._free(), self.actor.name)
        return foreseen or prepare_reservation(requests, self.actor.name)

    def _free(self) -> dict[tuple[int, int], int]:
        """Units free by SKU and warehouse id when the batch was opened; others may take them."""
        return {
            (sku.id, warehouse): units
            for sku in self.references.skus.values()
            for warehouse, units in sku.free.items()
        }

    def _new_order(
        self,
        order_id: int,
        checked: tuple[Candidate, CheckedOrder],
        customer_id: int,
        screened: Screened,
        warehouse: int | None,
    ) -> NewOrder:
        candidate, order = checked
        holds = draft_holds(screened, short=warehouse is None, needs=order.document.lines)
        if holds:
            state = OrderState.ON_HOLD
        elif screened.decision.dispatch:
            state = OrderState.READY
        else:
            state = OrderState.RECEIVED
        return NewOrder(
            id=order_id,
            checked=order,
            customer_id=customer_id,
            source=self.actor.source,
            key=candidate.key,
            state=state.value,
            screened=screened,
            outcome=screened.decision.as_json(),
            holds=holds,
            stock_warehouse=warehouse,
            dispatch_after=dispatch_after(order, self.today, self.zone),
            received_at=self.now,
            due_at=self.now + timedelta(minutes=settings.HOLD_DUE_MINUTES),
            lines=[fact_line(order, index) for index in range(len(order.skus))],
        )

    def _answer(
        self,
        checked: Sequence[tuple[Candidate, CheckedOrder]],
        news: Sequence[NewOrder],
        holds: Rows,
    ) -> None:
        summaries = holds_in(holds)
        for (candidate, order), new in zip(checked, news, strict=True):
            self.answers[candidate.index] = Placed(
                Outcome.CREATED,
                order.document.number,
                new.state,
                1,
                new.outcome,
                summaries.get(new.id, []),
            )
