"""The database's time of day between two questions to it, whatever this machine's clock says."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class DatabaseClock:
    """`at`, as the database told it, was at `since` of this machine's monotonic clock.

    Receivers refuse a message whose time is minutes off, and a wall clock may jump or be wrong.
    """

    at: datetime
    since: float

    @classmethod
    def set_to(cls, at: datetime) -> "DatabaseClock":
        """A clock that was told the time just now."""
        return cls(at, time.monotonic())

    def now(self) -> datetime:
        """What the database would say now."""
        return self.at + timedelta(seconds=time.monotonic() - self.since)
