"""Where the anti-fraud switch stands, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

from rules import fraud
from rules.document import Document
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.lifecycle.switches import shipped_pack
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document


@dataclass(frozen=True, slots=True)
class Switch:
    """Where the switch stands, and whether the person who looks may turn it."""

    is_on: bool
    is_partly_on: bool
    may_turn: bool


def switch_state(*, may_turn: bool) -> Switch | None:
    """The switch; None when nothing is live that it could turn."""
    document = live_document()
    if document is None or not (fraud.pack_of(document.rules) or shipped_pack()):
        return None
    return Switch(fraud.is_on(document), fraud.is_partly_on(document), may_turn)


def live_document() -> Document | None:
    """The rules in force as stored; None when there are none or they cannot be read."""
    live = RuleSet.objects.filter(state=RuleSetState.LIVE).first()
    try:
        return parse_document(live.document, catalogue) if live is not None else None
    except DocumentInvalid:
        return None
