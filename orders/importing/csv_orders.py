"""Orders of a CSV file: adjacent rows of one number, one row an order line."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from orders.errors import FieldError
from orders.importing.csv_rows import NO_NUMBER, CsvRows, Row
from orders.importing.documents import to_document
from orders.importing.entries import ANY, Entry, Position

MOST_ROWS = 200
"""Lines that one order may have; more rows of one number are refused in parts of this size."""


def read_orders(rows: CsvRows, position: Position) -> Iterator[Entry]:
    """The orders from a position on.

    An order is refused whole when any of its rows cannot be read. A row that does not even tell
    its number takes the order before it and the order after it along, because either may miss it;
    one whose number was left blank, the order before it.
    """
    group: list[Row] = []
    refused = position.refused
    for row in rows.rows(position):
        joins = group and (row.number == group[0].number or (row.error and not row.number))
        if group and (not joins or len(group) > MOST_ROWS):
            entry = _entry(group, refused)
            yield entry
            refused, group = entry.after.refused, []
        group.append(row)
    if group:
        yield _entry(group, refused)


def _entry(group: list[Row], refused: str) -> Entry:
    number = group[0].number
    errors: list[FieldError] = []
    for index, row in enumerate(group):
        if row.error is not None:
            errors.append(FieldError(f"lines[{index}]", row.error.code, row.error.message))
    if not errors and refused and refused in (ANY, number):
        message = _("A row before this order was refused and may belong to it.")
        errors.append(FieldError("number", "neighbour_refused", message))
    passes_on = number if refused == number else ""
    if len(group) > MOST_ROWS:
        message = _("An order may have at most %(most)s lines.") % {"most": MOST_ROWS}
        errors.append(FieldError("number", "too_many_rows", message))
        passes_on = number
    last = group[-1]
    if last.error is not None and not last.number and last.error.code != NO_NUMBER:
        passes_on = ANY
    end = last.end
    document = None
    if not errors:
        document, errors = to_document([row.values for row in group])
    return Entry(
        line=group[0].line,
        document=document,
        raw=[row.cells for row in group],
        after=Position(end.offset, end.line, passes_on),
        errors=errors,
    )
