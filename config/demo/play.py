"""The demo's day: orders come in by every door while the warehouse system and the jobs fail."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Timer
from time import monotonic, sleep

import orjson
from django.utils import timezone
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from changefeed.metrics import feed_figures
from config.demo import children, deciding
from config.demo.children import BEAT, WORKER, Addresses
from config.demo.clients import Tally, post_bulk, post_singles
from config.demo.sample import SampleOrder
from config.demo.story import Answer, Story
from config.processes import Processes
from orders.models import Order

# In per cent of the single orders.
WMS_OFF_AT, KILLED_AT = 35, 70
DEAD_SECONDS = 2.0
# Longer than a lease that a killed worker leaves behind.
STUCK_SECONDS = 90.0
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


class NotQuiet(Exception):
    """Work was left over after a long wait; the message says what."""


@dataclass(slots=True)
class Played:
    """What the players saw, for the report."""

    story: Story
    singles: Tally
    bulk: Tally
    import_status: int = -1
    refused: list[str] = field(default_factory=list)
    restocked: int = 0
    seconds: float = 0.0


class Stage:
    """Where the story is told: the processes, their addresses, and the screen."""

    def __init__(
        self,
        processes: Processes,
        addresses: Addresses,
        console: Console,
        workspace: Path,
        began: float,
    ) -> None:
        self.processes = processes
        self.addresses = addresses
        self.console = console
        self.workspace = workspace
        self.began = began

    def say(self, text: str) -> None:
        """One line of the story, with the seconds since it began."""
        self.console.print(f"[dim]{monotonic() - self.began:6.1f} s[/dim]  {text}")

    def bar(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )


def play(stage: Stage, story: Story, shops_key: str) -> Played:
    """Tell the whole story and wait until nothing is left to do.

    Raises ProcessFailed when a process ends by itself, and NotQuiet when work is left over.
    """
    began = monotonic()
    cut = len(story.singles) * WMS_OFF_AT // 100
    singles = _post(stage, story.singles[:cut], shops_key, post_singles)
    stage.say(_("%(count)d orders posted one by one") % {"count": cut})
    children.switch(stage.addresses, "wms", on=False)
    stage.say(_("The warehouse system is down; its changes wait"))
    rest = story.singles[cut:]
    second = _post_through_a_crash(stage, rest, shops_key)
    stage.say(_("%(count)d more orders posted meanwhile") % {"count": len(rest)})
    bulk = _post(stage, story.bulk, shops_key, post_bulk)
    stage.say(_("%(count)d orders posted in bulk") % {"count": len(story.bulk)})
    children.switch(stage.addresses, "wms", on=True)
    stage.say(_("The warehouse system is back and catches up"))
    played = Played(story, _together(singles, second), bulk)
    played.import_status = _import(stage, story.imported)
    _decide(stage, story, played)
    _wait_until_quiet(stage)
    played.seconds = monotonic() - began
    return played


def _post(
    stage: Stage,
    orders: Sequence[SampleOrder],
    key: str,
    post: Callable[[Sequence[SampleOrder], int, str, Callable[[int], None]], Tally],
    on_progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    with stage.bar() as bar:
        task = bar.add_task(_("Orders in"), total=len(orders))
        posted, one_at_a_time = [0], Lock()

        def done(count: int) -> None:
            with one_at_a_time:
                posted[0] += count
                bar.advance(task, count)
                on_progress(posted[0])

        tally = post(orders, stage.addresses.web_port, key, done)
    stage.processes.check()
    return tally


def _post_through_a_crash(stage: Stage, orders: Sequence[SampleOrder], key: str) -> Tally:
    """Post on while worker and beat are killed mid-way, as by a power cut, and started again."""
    at = len(orders) * (KILLED_AT - WMS_OFF_AT) // (100 - WMS_OFF_AT)
    timers: list[Timer] = []

    def start_again() -> None:
        stage.processes.restart(WORKER)
        stage.processes.restart(BEAT)

    def crash(posted: int) -> None:
        if posted < at or timers:
            return
        timers.append(Timer(DEAD_SECONDS, start_again))
        stage.processes.kill(WORKER)
        stage.processes.kill(BEAT)
        stage.say(_("Worker and beat were killed (kill -9) in the middle of it"))
        timers[0].start()

    tally = _post(stage, orders, key, post_singles, crash)
    if not timers:
        crash(at)
    timers[0].join()
    stage.say(_("Worker and beat are running again"))
    return tally


def _import(stage: Stage, orders: Sequence[SampleOrder]) -> int:
    """Import the orders from a file, as a shop without an API would send them; the exit status."""
    stage.workspace.mkdir(parents=True, exist_ok=True)
    path = stage.workspace / "orders.jsonl"
    path.write_bytes(b"".join(orjson.dumps(order.document) + b"\n" for order in orders))
    command = [sys.executable, str(MANAGE), "import_orders", str(path), "--restart"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    stage.say(_("%(count)d orders imported from a file") % {"count": len(orders)})
    if done.returncode:
        stage.console.print(done.stdout + done.stderr, markup=False)
    return done.returncode


def _decide(stage: Stage, story: Story, played: Played) -> None:
    with stage.bar() as bar:
        task = bar.add_task(_("Holds decided"), total=len(story.answers))
        played.refused = deciding.answer_holds(story, lambda count: bar.advance(task, count))
    answers = list(story.answers.values())
    stage.say(
        _(
            "The supervisor released %(released)d holds, cancelled %(cancelled)d orders, "
            "asked for %(corrections)d corrections and left %(left)d to you"
        )
        % {
            "released": answers.count(Answer.RELEASE),
            "cancelled": answers.count(Answer.CANCEL),
            "corrections": answers.count(Answer.CORRECTION),
            "left": answers.count(Answer.LEAVE),
        }
    )
    played.restocked = deciding.receive_goods(story)
    stage.say(_("Goods arrived for %(count)d orders that were short") % {"count": played.restocked})


def _wait_until_quiet(stage: Stage) -> None:
    """Until no order waits for dispatch, no change for a receiver, no parcel for the warehouse."""
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


def _together(first: Tally, second: Tally) -> Tally:
    return Tally(
        first.statuses + second.statuses,
        first.repeats + second.repeats,
        first.seconds + second.seconds,
        first.surprises + second.surprises,
    )
