"""The past decisions on orders, as the rules may look at them (the port of rules.history)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Subquery
from django.urls import reverse

from orders import rule_activity, shadow_history
from orders.models import Hold, ScreeningDecision
from orders.past_decisions import FIRST, amounts, first_decisions, stream
from orders.status import HoldState
from rules.history import (
    Case,
    DayFlow,
    Judgement,
    Record,
    RuleActivity,
    ShadowSeen,
    Standing,
    Verdict,
)


class OrderHistory:
    """Orders as past cases; a case has the id of its first decision."""

    def recent(self, limit: int) -> Sequence[Case]:
        """The latest orders, newest first."""
        return [_case(row) for row in _rows().order_by("-at", "-id")[:limit]]

    def cases(self, ids: Sequence[int]) -> Sequence[Case]:
        """Those orders, in the order of `ids`; what is gone is left out."""
        found = {row["id"]: _case(row) for row in _rows().filter(pk__in=ids)}
        return [found[key] for key in ids if key in found]

    def count(self, since: datetime, until: datetime) -> int:
        """How many orders were first screened in the period."""
        return int(first_decisions(since, until).count())

    def moment(self, since: datetime, until: datetime, place: int) -> datetime | None:
        """When the order at that place of the period was first screened; None behind the last."""
        moments = first_decisions(since, until).order_by("at", "id").values_list("at", flat=True)
        return moments[place : place + 1].first()

    def stream(self, since: datetime, until: datetime) -> Iterator[list[Record]]:
        """The orders of the period in batches, oldest first, in bounded memory."""
        return stream(since, until)

    def amounts(self, ids: Sequence[int]) -> dict[int, Decimal]:
        """What those orders are worth."""
        return amounts(ids)

    def verdicts(self, since: datetime, until: datetime) -> Iterator[Verdict]:
        """What people said about holds that rules raised on orders of the period."""
        first = first_decisions(since, until).filter(order=OuterRef("order")).order_by("at", "id")
        judged = Hold.objects.judged().annotate(case=Subquery(first.values("pk")[:1]))
        fields = ("case", "rule_key", "state", "opened_at", "resolved_at")
        found = (
            judged.filter(case__isnull=False, resolved_at__gte=since)
            .order_by("case", "pk")
            .values_list(*fields)
        )
        for case, rule_key, state, opened_at, resolved_at in found.iterator():
            was_fine = state == HoldState.RELEASED
            yield Verdict(case, rule_key, was_fine, opened_at, resolved_at)

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

    def shadow_version(self, version: int, since: datetime, until: datetime) -> ShadowSeen:
        """What a shadow version would have changed."""
        return shadow_history.version_seen(version, since, until)

    def shadow_rule(
        self,
        rule_key: str,
        version: int,
        slots: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> ShadowSeen:
        """How often a shadow rule matched."""
        return shadow_history.rule_seen(rule_key, version, slots, since, until)


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

    history.register(OrderHistory())
