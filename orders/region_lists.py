"""The reference lists of regions off which address facts are read, as they are now."""

from collections.abc import Mapping

import structlog

from orders.intake.addresses import EMBARGO, REMOTE
from rules import live
from rules.conditions import ListSnapshot

log = structlog.get_logger(__name__)


def watch_region_lists() -> None:
    """Have the lists kept at hand with the rules; called once when the app is ready."""
    live.watch(EMBARGO, REMOTE)


def region_lists() -> Mapping[str, ListSnapshot]:
    """The lists that exist, by key, at most a second old; they cost no query of their own.

    When the rules cannot be read there are none: screening then says so and holds the order.
    """
    try:
        return live.current().lists
    except Exception:
        log.exception("region lists could not be read")
        return {}
