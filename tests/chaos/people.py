"""What people do to the feed while it works: ask to be told again, pause, skip what is refused."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from django.db.models import Q

from changefeed import replaying
from changefeed.calling_off import is_calling_off
from changefeed.lifecycle import (
    Selection,
    continue_calling_off,
    continue_replays,
    pause_endpoint,
    replay,
    resume_endpoint,
    resume_lane,
    skip_change,
)
from changefeed.lifecycle import call_off as call_replays_off
from changefeed.models import Change, FeedLane, LaneState
from config.embedded.servers import wait_until
from tests.chaos import exporting
from tests.chaos.episode import BATCHED, CHOOSY, NEWEST, ORIGIN, TARGET, WITNESS, Episode
from tests.chaos.histories import Fault, Gap, History, Replay
from tests.chaos.reading import wanted_by

ACTOR = "user:chaos"
TARGETS = (TARGET, BATCHED)
# Seldom written by the others, so that they are refused for what is written here.
SKIPPED, RESUMED = "P019", "P021"
PAUSE_SECONDS = 2.2
PARKED_WITHIN = 40.0


# -- replays -------------------------------------------------------------------------------------


def ask_again(episode: Episode) -> None:
    """Replays of one subject, of a range and of everything, before, during and after a failure."""
    episode.sleep(0.2)
    _ask(episode, TARGET)
    _ask(episode, WITNESS, subject="probe:P001")
    _ask(episode, ORIGIN)
    with episode.faulty_targets("500"):
        episode.sleep(0.1)
        _ask(episode, TARGET, subject="probe:P000")
        _ask(episode, BATCHED, in_chunks=True)
        _ask(episode, TARGET, since=_moment(episode, 0.3), until=_moment(episode, 0.6))
        _ask(episode, NEWEST, since=_moment(episode, 0.5))
        episode.sleep(0.2)
    _ask(episode, TARGET, subject="probe:P000")
    _ask(episode, BATCHED, subject="probe:P002")
    _ask(episode, CHOOSY, until=_moment(episode, 0.4))
    episode.sleep(0.2)
    _ask(episode, TARGET)
    _ask(episode, NEWEST, subject="probe:P000")
    episode.sleep(0.1)
    told = episode.receiver.path.read_bytes().count(b'"is_replay": true')
    if told < 100:
        episode.history.missed.append(f"only {told} requests were replays")


def _ask(
    episode: Episode,
    name: str,
    *,
    subject: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    in_chunks: bool = False,
) -> None:
    """Ask for one replay and note what it must tell: all that was committed before it."""
    history = episode.history
    with episode.stage.connect(episode.database) as link:
        log = exporting.changes_in(link)
        chosen = link.execute(
            "SELECT seq FROM changefeed_change WHERE at >= coalesce(%s, '-infinity'::timestamptz)"
            " AND at < coalesce(%s, 'infinity'::timestamptz)",
            (since, until),
        )
        within = {row[0] for row in chosen}
    endpoint = next(one for one in history.endpoints if one.name == name)
    wanted = list(wanted_by(endpoint, History(changes=log)))
    first: dict[str, int] = {}
    for one in wanted:
        if one.seq in within and subject in ("", one.subject):
            first.setdefault(one.subject, one.seq)
    ids = [one.id for one in wanted if one.subject in first and one.seq >= first[one.subject]]
    if not ids:
        history.missed.append(f"there was nothing that {name} could be told again")
    kind, _, subject_id = subject.partition(":")
    selection = Selection(kind, subject_id, since, until)
    began = time.monotonic()
    if in_chunks:
        _replay_in_chunks(episode, name, selection)
    else:
        replay(episode.endpoint(name), selection, actor=ACTOR, reason="a receiver was restored")
    subjects = [subject] if subject else []
    history.replays.append(Replay(name, began, time.monotonic(), subjects, ids))


def call_off(episode: Episode) -> None:
    """Replays of everything, called off: while choosing, while refused, while on their way."""
    episode.sleep(0.3)
    with episode.faulty_targets("500"):
        episode.sleep(0.2)
        _ask_and_call_off(episode, TARGET, 0.3)
        _ask_and_call_off(episode, BATCHED, 0.0, in_chunks=True)
        _ask_and_call_off(episode, NEWEST, 0.1)
    for name in (TARGET, BATCHED, NEWEST, WITNESS, TARGET):
        _ask_and_call_off(episode, name, 0.03)
        episode.sleep(0.2)


def _ask_and_call_off(
    episode: Episode, name: str, seconds: float, *, in_chunks: bool = False
) -> None:
    """Ask for everything again and think better of it; what is on record must come all the same."""
    usual = replaying.CHUNK, replaying.INLINE_SECONDS
    if in_chunks:
        replaying.CHUNK, replaying.INLINE_SECONDS = 60, 0.02
    began = time.monotonic()
    try:
        replay(episode.endpoint(name), Selection(), actor=ACTOR)
    finally:
        replaying.CHUNK, replaying.INLINE_SECONDS = usual
    episode.sleep(seconds)
    if not call_replays_off(episode.endpoint(name), actor=ACTOR):
        episode.history.missed.append(f"a replay to {name} was over before it was called off")
    key = episode.endpoint(name).pk
    while is_calling_off(key) and time.monotonic() < began + 20:
        continue_calling_off(0.5)
    episode.history.replays.append(
        Replay(name, began, time.monotonic(), [], [], is_called_off=True)
    )


def _replay_in_chunks(episode: Episode, name: str, selection: Selection) -> None:
    """A long replay: who asked gets its beginning, others go on with it."""
    usual = replaying.CHUNK, replaying.INLINE_SECONDS
    replaying.CHUNK, replaying.INLINE_SECONDS = 60, 0.0
    try:
        asked = replay(episode.endpoint(name), selection, actor=ACTOR)
        if asked.finished_at is not None:
            episode.history.missed.append("a replay that should take long was over at once")
        wait_until(lambda: continue_replays(0.05) == 0, 20)
    finally:
        replaying.CHUNK, replaying.INLINE_SECONDS = usual


def _moment(episode: Episode, share: float) -> datetime:
    """When this share of the log had been written."""
    with episode.stage.connect(episode.database) as link:
        row = link.execute(
            "SELECT at FROM changefeed_change ORDER BY seq OFFSET"
            " (SELECT (count(*) * %s::float8)::bigint FROM changefeed_change) LIMIT 1",
            (share,),
        ).fetchone()
    assert row
    assert isinstance(row[0], datetime)
    return row[0]


# -- pauses --------------------------------------------------------------------------------------


def pause(episode: Episode) -> None:
    """Endpoints are paused in the middle of a long drain, and while they are probed."""
    for during in ("slow", "slow", "500"):
        for name, seconds in ((TARGET, 0.25), (BATCHED, 0.9)):
            episode.receiver.tell(name, mode="slow", seconds=seconds)
        episode.workload.burst(2)
        if during != "slow":
            _tell(episode, during)
        episode.sleep(0.12)
        with _paused(episode, TARGETS):
            _tell(episode, "ok")
            time.sleep(PAUSE_SECONDS)
    episode.sleep(0.1)


@contextmanager
def _paused(episode: Episode, names: Sequence[str]) -> Iterator[None]:
    """Paused by a person within the block; noted from when it was committed."""
    history = episode.history
    with ExitStack() as pauses:
        for name in names:
            pending = _lanes(name).count()
            if pending < 10:
                history.missed.append(f"only {pending} lanes were pending when {name} was paused")
            row = episode.endpoint(name)
            pause_endpoint(row, actor=ACTOR, reason="its system is being updated")
            pauses.callback(_resume, episode, name, time.monotonic())
        yield


def _resume(episode: Episode, name: str, began: float) -> None:
    ended = time.monotonic()
    row = episode.endpoint(name)
    if row.state != "paused":
        episode.history.missed.append(f"{name} was {row.state} at the end of its pause")
    episode.history.faults.append(Fault("paused", began, ended, name))
    resume_endpoint(row, actor=ACTOR)


# -- parked lanes --------------------------------------------------------------------------------


def park(episode: Episode) -> None:
    """A change that nobody can digest is skipped; a refused subject is resumed when it is mended.

    The waiting lanes are made due again and again, for by themselves they would take an hour to
    be parked.
    """
    began = time.monotonic()
    both = [f"probe:{SKIPPED}", f"probe:{RESUMED}"]
    _tell(episode, "422", subjects=both)
    for _ in range(3):
        for probe in (SKIPPED, RESUMED):
            episode.workload.write_one(probe)
    if not wait_until(lambda: _refused().count() == len(TARGETS) * 2, PARKED_WITHIN):
        episode.history.missed.append("not every lane was refused")
    poison = {name: _first_pending(name, SKIPPED) for name in TARGETS}
    # The others of its subject would be taken, if only they came.
    for name, change in poison.items():
        episode.receiver.tell(name, mode="422", subjects=both[1:], seqs=[change.seq])
    if not wait_until(lambda: _hurry(episode) == len(TARGETS) * 2, PARKED_WITHIN):
        episode.history.missed.append(f"{_parked().count()} of {len(TARGETS) * 2} lanes parked")
    episode.sleep(0.6)
    for name, change in poison.items():
        _skip(episode, name, change)
    episode.sleep(0.2)
    _tell(episode, "ok")
    ended = time.monotonic()
    for lane in _parked().filter(subject_id=RESUMED):
        resume_lane(lane, actor=ACTOR)
    episode.history.faults += [
        Fault("parked", began, ended, name, subject, "two subjects were parked")
        for name in TARGETS
        for subject in both
    ]


def _skip(episode: Episode, name: str, change: Change) -> None:
    began = time.monotonic()
    lane = _lanes(name).get(subject_id=SKIPPED)
    skipped = skip_change(lane, actor=ACTOR, reason="its receiver cannot digest it")
    if skipped != change.seq:
        episode.history.missed.append(f"{name} refused seq {change.seq}, skipped was {skipped}")
    subject = f"probe:{SKIPPED}"
    gap = Gap(name, subject, str(change.event_id), began, time.monotonic())
    episode.history.gaps.append(gap)


def _first_pending(name: str, probe: str) -> Change:
    """What is refused of a probe, by an endpoint that wants everything."""
    head = _lanes(name).get(subject_id=probe).head_seq
    pending = Change.objects.filter(subject_kind="probe", subject_id=probe, seq__gte=head)
    return pending.earliest("seq")


def _hurry(episode: Episode) -> int:
    """Make what waits to be tried again due; how many lanes are parked."""
    episode.execute(
        "UPDATE changefeed_feedlane SET due_at = now() WHERE state = 'backoff'"
        " AND subject_id = ANY (%s)",
        [SKIPPED, RESUMED],
    )
    return _parked().count()


def _parked() -> Any:
    return _refused().filter(state=LaneState.PARKED)


def _refused() -> Any:
    ours = Q(subject_id__in=(SKIPPED, RESUMED), endpoint__name__in=TARGETS)
    return FeedLane.objects.filter(ours, Q(rejections__gt=0) | Q(state=LaneState.PARKED))


def _lanes(name: str) -> Any:
    return FeedLane.objects.filter(endpoint__name=name)


def _tell(episode: Episode, mode: str, **wishes: Any) -> None:
    for name in TARGETS:
        episode.receiver.tell(name, mode=mode, **wishes)
