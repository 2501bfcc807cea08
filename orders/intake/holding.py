"""From what screening and stock said to the holds that a new order starts with; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orders.screening import Screened
from orders.status import HoldOwner, HoldReason, Risk


class Wanted(Protocol):
    @property
    def sku(self) -> str: ...
    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class HoldDraft:
    """A hold to be opened; `inputs` are the rows that matched, with the values seen."""

    owner: HoldOwner
    reason: str
    risk: str = Risk.HIGH.value
    rule_key: str = ""
    rule_name: str = ""
    fingerprint: str = ""
    inputs: list[dict[str, object]] = field(default_factory=list)


def draft_holds(screened: Screened, *, short: bool, needs: Sequence[Wanted]) -> list[HoldDraft]:
    """At most one hold of the rules, one of screening itself and one of stock."""
    holds = []
    if match := screened.decision.intercept:
        action = next(action for action in match.actions if action.do == "hold")
        holds.append(
            HoldDraft(
                HoldOwner.RULE,
                action.reason,
                action.risk,
                match.rule_key,
                match.rule_name,
                match.fingerprint,
                [row.as_json() for row in match.matched],
            )
        )
    if screened.trouble is not None:
        detail = screened.trouble_detail
        holds.append(
            HoldDraft(
                HoldOwner.SCREENING,
                screened.trouble.value,
                rule_key=screened.trouble.value,
                inputs=[{"detail": detail}] if detail else [],
            )
        )
    if short:
        holds.append(
            HoldDraft(
                HoldOwner.STOCK,
                HoldReason.STOCK_SHORT.value,
                Risk.MEDIUM.value,
                inputs=[{"sku": line.sku, "quantity": line.quantity} for line in needs],
            )
        )
    return holds
