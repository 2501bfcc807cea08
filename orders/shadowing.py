"""Letting shadow rules look at a case that is decided, without ever harming the decision."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from rules.decision import Decision
from rules.watching import Shadow

log = structlog.get_logger(__name__)

SLOW_SECONDS = 0.05
"""Longer than this is slow: a real decision over a thousand rules takes a few thousandths of it."""
PAUSE_SECONDS = 10.0
"""After one slow look this process looks at nothing for so long, lest orders queue behind it."""

_paused_until = 0.0


def look(
    shadow: Shadow,
    facts: Mapping[str, object],
    at: datetime,
    live: Decision,
    waived: frozenset[tuple[str, str]] = frozenset(),
    snoozed: frozenset[str] = frozenset(),
) -> dict[str, Any] | None:
    """What watching rules would have done, for ScreeningDecision.shadow, with its own time.

    None while this process pauses after a slow look. A failure is noted in the answer as
    `failed` and never raised.
    """
    global _paused_until
    begun = time.monotonic()
    if begun < _paused_until:
        return None
    try:
        seen: dict[str, Any] = shadow.look(facts, at, live, waived, snoozed)
    except Exception:
        log.exception("shadow rules failed")
        seen = {"rules": [], "version": shadow.version or None, "outcome": None, "failed": True}
    took = time.monotonic() - begun
    if took > SLOW_SECONDS:
        _paused_until = begun + took + PAUSE_SECONDS
        log.warning("shadow rules are slow and pause", seconds=round(took, 3))
    return seen | {"took_us": round(took * 1_000_000)}
