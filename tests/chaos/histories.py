"""What happened in one run, as plain values: the database, the receivers, the faults; pure.

Every time is in seconds of the machine's monotonic clock, the same for all processes.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A subscription: empty `kinds` or `fields` mean all; `source` is the system it belongs to.

    It began behind the change `after_seq`, and takes `batch_size` messages in one request.
    """

    name: str
    kinds: list[str] = dataclasses.field(default_factory=list)
    fields: list[str] = dataclasses.field(default_factory=list)
    source: str = ""
    after_seq: int = 0
    batch_size: int = 1

    def wants(self, change: "Change") -> bool:
        """Whether it was there in time and its filters let this change through."""
        if change.seq <= self.after_seq:
            return False
        family = change.kind.partition(".")[0] + ".*"
        return (not self.kinds or change.kind in self.kinds or family in self.kinds) and (
            not self.fields or change.field in self.fields
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A committed row of the log, written at `at`.

    `token` names the write that made it, where one is known; `withheld_from` the system that
    said so itself.
    """

    seq: int
    xid: int
    id: str
    subject: str
    version: int
    kind: str = "probe.changed"
    field: str = "value"
    value: Any = None
    token: str = ""
    source: str = "sluice"
    source_event_id: str = ""
    withheld_from: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Write:
    """A transaction as its writer knows it: committed, rolled_back, or unknown."""

    token: str
    began: float
    ended: float
    outcome: str
    subjects: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in one request, as its receiver saw it.

    `status` is None when no answer was given; `ended` is then when the sender went away.
    `item` is the place within the request; `is_replay` what the request says of itself;
    `covers` the ids of all changes that the message stands for.
    """

    endpoint: str
    request: int
    id: str
    seq: int
    subject: str
    version: int
    sha: str
    began: float
    ended: float
    status: int | None
    item: int = 0
    verified: bool = True
    signatures: int = 1
    field: str = "value"
    value: Any = None
    token: str = ""
    asked_to_wait: float = 0.0
    is_replay: bool = False
    covers: list[str] = dataclasses.field(default_factory=list)

    @property
    def stands_for(self) -> list[str]:
        """The ids of all changes that this message tells."""
        return self.covers or [self.id]

    @property
    def is_acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a pulling consumer."""

    consumer: str
    cursor: str
    next_cursor: str
    sha: str
    ids: list[str]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Inbound:
    """One call by another system, the status it got (None for none), and the outcome told."""

    source: str
    id: str
    subject: str
    began: float
    ended: float
    status: int | None
    outcome: str = "applied"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something done to the feed between two moments.

    `heads` are the first pending sequences by "endpoint subject" right after the fault: what is
    below them was known as acknowledged. None when nobody looked.
    """

    kind: str
    began: float
    ended: float
    endpoint: str = ""
    subject: str = ""
    detail: str = ""
    heads: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What the feed reported about one endpoint: subjects pending, oldest wait in seconds."""

    endpoint: str
    began: float
    at: float
    pending: int
    parked: int
    lag: float
    state: str = "active"


@dataclass(frozen=True, slots=True)
class Purge:
    """A run of the retention, and the changes that it removed."""

    at: float
    removed: list[str]


@dataclass(frozen=True, slots=True)
class Replay:
    """A request to tell an endpoint again, made between two moments, and what it must tell.

    `subjects` are those that it names, none for all. `ids` are what it must tell: of each subject
    all from the first chosen change on that was committed before it was asked for. One that
    `is_called_off`, by when it ended, need not tell anything.
    """

    endpoint: str
    began: float
    ended: float
    subjects: list[str]
    ids: list[str]
    is_called_off: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A change that a person gave up on for one endpoint, between two moments."""

    endpoint: str
    subject: str
    id: str
    began: float
    ended: float


@dataclass(slots=True)
class History:
    """Everything known about one run.

    `rows` are the values in the database at rest, by subject and field. `lanes_at_rest` and
    `lane_bytes` describe the table of lanes after the end; None when nobody looked. `missed` says
    what the nemesis meant to bring about and did not: such a run proves nothing.
    """

    nemesis: str = ""
    dispatchers: int = 2
    quiet: bool = True
    rows: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    lanes_at_rest: int | None = None
    lane_bytes: int | None = None
    missed: list[str] = dataclasses.field(default_factory=list)
    endpoints: list[Endpoint] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    writes: list[Write] = dataclasses.field(default_factory=list)
    deliveries: list[Delivery] = dataclasses.field(default_factory=list)
    pages: list[Page] = dataclasses.field(default_factory=list)
    inbound: list[Inbound] = dataclasses.field(default_factory=list)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    samples: list[Sample] = dataclasses.field(default_factory=list)
    purges: list[Purge] = dataclasses.field(default_factory=list)
    replays: list[Replay] = dataclasses.field(default_factory=list)
    gaps: list[Gap] = dataclasses.field(default_factory=list)

    def faults_of(self, *kinds: str) -> Iterator[Fault]:
        """The faults of these kinds, in order of time."""
        return iter(sorted((one for one in self.faults if one.kind in kinds), key=_began))


_LISTS: dict[str, type] = {
    "endpoints": Endpoint,
    "changes": Change,
    "writes": Write,
    "deliveries": Delivery,
    "pages": Page,
    "inbound": Inbound,
    "faults": Fault,
    "samples": Sample,
    "purges": Purge,
    "replays": Replay,
    "gaps": Gap,
}


def save(history: History, path: Path) -> None:
    """Write a history as lines of JSON: first the whole, then each event."""
    whole = {name: getattr(history, name) for name in History.__slots__ if name not in _LISTS}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(whole, ensure_ascii=False) + "\n")
        for name in _LISTS:
            for event in getattr(history, name):
                line = {"list": name, **asdict(event)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def load(path: Path) -> History:
    """Read what `save` wrote."""
    with path.open(encoding="utf-8") as file:
        history = History(**json.loads(next(file)))
        for line in file:
            values = json.loads(line)
            name = values.pop("list")
            getattr(history, name).append(_LISTS[name](**values))
    return history


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of them lie; raises ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _began(fault: Fault) -> float:
    return fault.began
