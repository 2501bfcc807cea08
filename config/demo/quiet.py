"""Waiting until everything that the demo set going has come to rest."""

from time import monotonic, sleep

from django.utils import timezone
from django.utils.translation import gettext as _

from changefeed.metrics import feed_figures
from config.demo import children
from config.demo.stage import Stage
from orders.models import Order

# Longer than a lease that a killed worker leaves behind.
STUCK_SECONDS = 90.0


class NotQuiet(Exception):
    """Work was left over after a long wait; the message says what."""


def wait_until_quiet(stage: Stage) -> None:
    """Until no order waits for dispatch, no change for a receiver, no parcel for the warehouse.

    Raises NotQuiet when nothing moves for STUCK_SECONDS.
    """
    with stage.bar() as bar:
        task = bar.add_task(_("Orders, changes and parcels still on their way"), total=None)
        most = looks = 0
        before: dict[str, int] = {}
        moved_at = monotonic()
        # Twice nothing: between two looks nothing was on its way from one count to another.
        while looks < 2:
            left = _left(stage)
            looks = 0 if left else looks + 1
            stage.processes.check()
            if left != before:
                before, moved_at = left, monotonic()
            elif left and monotonic() - moved_at > STUCK_SECONDS:
                raise NotQuiet(
                    _("Nothing moved for %(seconds)d s, and these are still waiting: %(what)s")
                    % {"seconds": STUCK_SECONDS, "what": left}
                )
            pending = sum(left.values())
            most = max(most, pending)
            bar.update(task, total=most, completed=most - pending)
            sleep(0.25)
    stage.say(_("Every order is where it belongs and every receiver is up to date"))


def _left(stage: Stage) -> dict[str, int]:
    ready = Order.objects.awaiting_dispatch(timezone.now()).count()
    lanes = feed_figures().pending_lanes
    parcels = children.stand_ins_state(stage.addresses)["warehouse"]["pending"]
    found = {"orders": ready, "changes": lanes, "parcels": parcels}
    return {what: count for what, count in found.items() if count}
