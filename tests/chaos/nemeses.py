"""What is done to the feed, one thing per run, healed at its end; each act notes its faults."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from django.db import Error as DatabaseError

from changefeed import retention
from changefeed.lifecycle import resume_endpoint, retire_secrets, rotate_secret
from changefeed.models import Endpoint, FeedLane
from config.embedded.servers import wait_until
from tests.chaos import exporting, people
from tests.chaos.episode import BATCHED, TARGET, Episode
from tests.chaos.histories import Fault, Purge
from tests.chaos.stage import LEASE_SECONDS

PARTITION = 1_000_000
PURGEABLE_WITHIN = 30.0
POISON = [f"probe:P{number:03d}" for number in range(6)]


@dataclass(frozen=True, slots=True)
class Nemesis:
    """One way to make life hard.

    `act` lasts about `Episode.seconds` and leaves everything healed. `celery` lets a worker and
    two beats deliver instead of `manage.py drain`; `prepare` runs before anything else does;
    `least_seconds` is what it gets at least in a full run.
    """

    name: str
    words: str
    act: Callable[[Episode], None]
    dispatchers: int = 2
    celery: bool = False
    prepare: Callable[[Episode], None] = lambda _episode: None
    least_seconds: float = 0.0


# -- nothing -------------------------------------------------------------------------------------


def nothing(episode: Episode) -> None:
    episode.sleep(1.0)


# -- dispatchers ---------------------------------------------------------------------------------


def kill(episode: Episode) -> None:
    """Signal 9 in the middle of sending, three times, each dead one replaced."""
    for _ in range(3):
        episode.sleep(0.2)
        with episode.fault("kill"):
            episode.dispatchers.kill(episode.chance.choice(episode.dispatchers.running))
        episode.dispatchers.start()
    episode.sleep(0.4)


def few_at_once(_episode: Episode) -> None:
    """Few requests at a time, so that most of what a dispatcher has in hand waits behind them.

    Those under way when it is stopped have timed out when it goes on: of more than four, it would
    think that the endpoint is dead, and send nothing that it should not.
    """
    Endpoint.objects.filter(name__in=(TARGET, BATCHED)).update(concurrency=4)


def stop(episode: Episode) -> None:
    """A dispatcher stands still for longer than its leases, then goes on as if nothing were.

    It is alone when it is stopped, with deep lanes and targets that answer slowly, so that it has
    its hands full; another takes over meanwhile, and has its hands full with the same subjects
    when the first goes on.
    """
    victim, *others = episode.dispatchers.running

    def slow_down(mode: str = "slow") -> None:
        for name in (TARGET, BATCHED):
            episode.receiver.tell(name, mode=mode, seconds=0.4)

    slow_down()
    for process in others:
        episode.dispatchers.retire(process)
    episode.workload.burst(4)
    time.sleep(0.8)
    began = time.monotonic()
    victim.send_signal(signal.SIGSTOP)
    heads = episode.heads()
    for _ in others:
        episode.dispatchers.start()
    time.sleep(LEASE_SECONDS + 2)
    # Noted before, for it may go on before we do.
    episode.history.faults.append(Fault("stop", began, time.monotonic(), heads=heads))
    victim.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    slow_down("ok")
    episode.sleep(0.2)


def come_and_go(episode: Episode) -> None:
    """Up to six dispatchers at once, some asked to end and begun anew."""
    dispatchers = episode.dispatchers
    for _ in range(4):
        dispatchers.start()
    for _ in range(3):
        episode.sleep(0.3)
        dispatchers.retire(episode.chance.choice(dispatchers.running))
        dispatchers.start()
    for process in dispatchers.running[2:]:
        dispatchers.retire(process)


def jump_clock(episode: Episode) -> None:
    """One of two dispatchers believes that it is two hours later, then two hours earlier."""
    clock = episode.home / "clock"
    clock.write_text("0")
    episode.dispatchers.start(clock=clock)
    episode.dispatchers.retire(episode.dispatchers.running[0])
    time.sleep(2)
    for seconds in (7200, -7200, 0):
        with episode.fault("clock", detail=f"clock off by {seconds} s"):
            clock.write_text(str(seconds))
            episode.sleep(0.33)


# -- servers -------------------------------------------------------------------------------------


def cut(episode: Episode) -> None:
    """The dispatchers' database sessions are ended under them, several times."""
    for _ in range(4):
        episode.sleep(0.25)
        with episode.fault("cut"):
            episode.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'sluice-feed' AND datname = current_database()"
            )


def restart_postgres(episode: Episode) -> None:
    """PostgreSQL is restarted in good order, then killed with all its processes."""
    for crash in (False, True):
        episode.sleep(0.3)
        with episode.fault("database down", detail="crash" if crash else "restart"):
            episode.stage.restart_postgres(crash=crash)
        episode.sleep(0.2)


def restart_broker(episode: Episode) -> None:
    """Redis goes away and comes back; it holds only wake-ups."""
    episode.sleep(0.2)
    with episode.fault("broker down"):
        episode.stage.restart_redis(down_seconds=2.0)
    episode.sleep(0.8)


# -- receivers -----------------------------------------------------------------------------------


def receiver(mode: str, *, wait: float = 0.0) -> Callable[[Episode], None]:
    """The targets misbehave in this way for a while."""

    def act(episode: Episode) -> None:
        with episode.faulty_targets(mode, seconds=wait):
            episode.sleep(1.0)
        # After a 410 a person resumes the endpoint; nobody else may.
        if mode == "410":
            for name in (TARGET, BATCHED):
                resume_endpoint(episode.endpoint(name), actor="chaos")

    return act


def poison(episode: Episode) -> None:
    """Some subjects are refused by the target, the others are not."""
    began = time.monotonic()
    episode.receiver.tell(TARGET, mode="422", subjects=POISON)
    episode.sleep(1.0)
    episode.receiver.tell(TARGET, mode="ok")
    ended = time.monotonic()
    episode.history.faults += [
        Fault("poison", began, ended, TARGET, subject, "others were poison") for subject in POISON
    ]


# -- the product's own acts ----------------------------------------------------------------------


def long_transaction(episode: Episode) -> None:
    """A writing transaction stays open while everybody else goes on."""
    with episode.fault("long transaction"):
        episode.workload.hold_open(episode.seconds)


def hold(episode: Episode) -> None:
    """A writer holds a subject for longer than the lease while its last change is on its way."""
    probe = "P020"
    for name in (TARGET, BATCHED):
        episode.receiver.tell(name, mode="slow", seconds=1.0, subjects=[f"probe:{probe}"])
    episode.workload.write_one(probe)
    time.sleep(0.5)
    with episode.fault("long transaction"):
        episode.workload.hold_open(max(episode.seconds, LEASE_SECONDS + 2), probe)
    for name in (TARGET, BATCHED):
        episode.receiver.tell(name, mode="ok")


def rotate(episode: Episode) -> None:
    """A new secret, both for a while, then only the new one; the receiver follows later."""
    row = episode.endpoint(TARGET)
    old = episode.secrets[TARGET]
    episode.sleep(0.15)
    with episode.fault("rotation", endpoint=TARGET):
        new = rotate_secret(row, actor="chaos")
        episode.sleep(0.3)
        episode.receiver.tell(TARGET, secrets=[old, new])
        episode.sleep(0.2)
        episode.receiver.tell(TARGET, secrets=[new])
        episode.sleep(0.2)
        retire_secrets(row, actor="chaos")
    episode.sleep(0.15)


def make_room(_episode: Episode) -> None:
    retention.make_partitions()


def purge(episode: Episode) -> None:
    """The retention removes all it may, again and again, while the targets are dead.

    The sequence crosses a partition's end only when they are: what lies before it is pending.
    """
    history = episode.history
    with episode.faulty_targets("dead"):
        episode.sleep(0.2)
        pending = before_the_end(TARGET, BATCHED)
        if pending < 5:
            history.missed.append(f"only {pending} lanes began in the partition to be purged")
        episode.execute("SELECT setval('changefeed_change_seq', %s)", PARTITION)
        ends = time.monotonic() + episode.seconds
        while time.monotonic() < ends:
            purge_now(episode)
            episode.sleep(0.05)
        if not any(one.removed for one in history.purges) and not before_the_end(TARGET, BATCHED):
            history.missed.append("nothing was left to be held back at the end")
    wait_until(lambda: before_the_end() == 0, PURGEABLE_WITHIN)
    ends = time.monotonic() + PURGEABLE_WITHIN
    while not any(one.removed for one in history.purges) and time.monotonic() < ends:
        purge_now(episode)
        episode.sleep(0.05)
    if not any(one.removed for one in history.purges):
        history.missed.append("nothing was purged, though nothing was pending any more")


def before_the_end(*names: str) -> int:
    """How many lanes begin in the partition to be purged, of these endpoints or of all."""
    lanes = FeedLane.objects.filter(head_seq__lt=PARTITION)
    return (lanes.filter(endpoint__name__in=names) if names else lanes).count()


def purge_now(episode: Episode) -> None:
    """One run of the retention with nothing kept for its own sake; what it removed is noted."""
    with episode.stage.connect(episode.database) as link:
        before = {one.seq: one for one in exporting.changes_in(link)}
        episode.archive.update(before)
        at = time.monotonic()
        with suppress(DatabaseError):
            retention.purge(0)
        after = {one.seq for one in exporting.changes_in(link)}
    removed = [one.id for seq, one in before.items() if seq not in after]
    episode.history.purges.append(Purge(at, removed))


NEMESES = {
    one.name: one
    for one in (
        Nemesis("calm", "nothing at all", nothing),
        Nemesis("kill", "SIGKILL of dispatchers", kill),
        Nemesis("stop", "SIGSTOP longer than the lease", stop, prepare=few_at_once),
        Nemesis("many", "six dispatchers that come and go", come_and_go),
        Nemesis("clock", "a dispatcher's clock jumps by hours", jump_clock),
        Nemesis("cut", "pg_terminate_backend of dispatchers", cut),
        Nemesis("postgres", "PostgreSQL restarted, then crashed", restart_postgres),
        Nemesis("broker", "worker, two beats, Redis restarted", restart_broker, celery=True),
        Nemesis("500", "receiver answers 500", receiver("500")),
        Nemesis("429", "receiver answers 429, Retry-After 2", receiver("429", wait=2.0)),
        Nemesis("410", "receiver answers 410, a person resumes", receiver("410")),
        Nemesis("hang", "receiver never answers", receiver("hang")),
        Nemesis("slow", "receiver takes a second", receiver("slow", wait=1.0)),
        Nemesis("drip", "receiver drips its answer", receiver("drip")),
        Nemesis("reset", "receiver resets after its commit", receiver("reset")),
        Nemesis("huge", "receiver answers 64 MiB", receiver("huge")),
        Nemesis("bomb", "receiver answers a gzip bomb", receiver("bomb")),
        Nemesis("dead", "receiver refuses connections", receiver("dead")),
        Nemesis("poison", "six subjects always refused", poison),
        Nemesis("open", "a write stays open for 30 s", long_transaction, least_seconds=30.0),
        Nemesis("hold", "a writer holds what is on its way", hold),
        Nemesis("rotate", "secrets are rotated", rotate),
        Nemesis("purge", "retention runs, target dead", purge, prepare=make_room),
        Nemesis("replay", "replays while a target fails", people.ask_again),
        Nemesis("call-off", "replays called off on their way", people.call_off),
        Nemesis("pause", "a person pauses long drains", people.pause),
        Nemesis("park", "parked lanes skipped and resumed", people.park),
    )
}
