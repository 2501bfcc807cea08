"""The past decisions on orders, as the rules may look at them (the port of rules.history)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.urls import reverse

from orders import rule_activity
from orders.models import ScreeningDecision
from rules.history import Case, DayFlow, Judgement, RuleActivity, Standing

FIRST = ScreeningDecision.Cause.INTAKE
"""A case is an order as it was first screened; later screenings of it are not counted again."""


class OrderHistory:
    """Orders as past cases; a case has the id of its first decision."""

    def recent(self, limit: int) -> Sequence[Case]:
        """The latest orders, newest first."""
        return [_case(row) for row in _rows().order_by("-at", "-id")[:limit]]

    def cases(self, ids: Sequence[int]) -> Sequence[Case]:
        """Those orders, in the order of `ids`; what is gone is left out."""
        found = {row["id"]: _case(row) for row in _rows().filter(pk__in=ids)}
        return [found[key] for key in ids if key in found]

    def activity(self, since: datetime, until: datetime) -> Iterable[RuleActivity]:
        """How often each rule acted in the period."""
        return rule_activity.activity(since, until)

    def judgements(self, since: datetime, until: datetime) -> Iterable[Judgement]:
        """The verdicts given in the period, summed by rule."""
        return rule_activity.judgements(since, until)

    def flow(self, day: date) -> Sequence[DayFlow]:
        """How the orders of one day went through the layers."""
        return rule_activity.flow(day)

    def standing(self, day: date) -> Sequence[Standing]:
        """Where the orders of one day stand now."""
        return rule_activity.standing(day)


def _rows() -> Any:
    fields = ("id", "at", "facts", "order_id", "order__number", "order__grand_total")
    return ScreeningDecision.objects.filter(cause=FIRST).values(*fields)


def _case(row: dict[str, Any]) -> Case:
    return Case(
        row["id"],
        row["order__number"],
        row["at"],
        row["facts"],
        row["order__grand_total"],
        reverse("admin:orders_order_change", args=(row["order_id"],)),
    )


def register_history() -> None:
    """Let the rules look at past orders; called once when the app is ready."""
    from rules import history

    history.register(OrderHistory())  # type: ignore[arg-type]
