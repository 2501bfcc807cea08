"""The demo's day: orders come in by every door while the warehouse system and the jobs fail."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Timer
from time import monotonic

import orjson
from django.utils.translation import gettext as _

from config.demo import children, deciding
from config.demo.children import BEAT, WORKER
from config.demo.clients import Tally, post_bulk, post_singles
from config.demo.quiet import wait_until_quiet
from config.demo.sample import SampleOrder
from config.demo.stage import Stage
from config.demo.story import Answer, Story

# In per cent of the single orders.
WMS_OFF_AT, KILLED_AT = 35, 70
DEAD_SECONDS = 2.0
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


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
    wait_until_quiet(stage)
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


def _together(first: Tally, second: Tally) -> Tally:
    return Tally(
        first.statuses + second.statuses,
        first.repeats + second.repeats,
        first.seconds + second.seconds,
        first.surprises + second.surprises,
    )
