"""What readers hand on: one order of the file, and where in the file reading may go on."""

from dataclasses import dataclass, field
from typing import Any

from orders.errors import FieldError

ANY = "*"


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two orders of a file.

    `offset` counts bytes of the unpacked file, `line` the lines before it. `refused` is the number
    of an order whose further rows must be refused, because earlier ones were; ANY means whatever
    order comes next, because an unreadable row may have belonged to it.
    """

    offset: int = 0
    line: int = 0
    refused: str = ""


@dataclass(slots=True)
class Entry:
    """One order as it stands in the file; `errors` given here keep it from being tried at all.

    `raw` is what the file of rejected rows repeats: the rows of cells of a CSV file, or the JSON
    value or text of one line.
    """

    line: int
    document: Any
    raw: Any
    after: Position
    errors: list[FieldError] = field(default_factory=list)
