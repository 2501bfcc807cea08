"""Orders of a JSON lines file: one document a line, or one rejected earlier with its errors."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.utils.translation import gettext as _

from orders.errors import FieldError
from orders.importing.entries import Entry, Position
from orders.importing.opening import Line, OrderFile

_WRAPPER = {"document", "text", "errors", "line"}


def read_orders(file: OrderFile, position: Position) -> Iterator[Entry]:
    """The orders from a position on; blank lines are left out."""
    for line in file.lines(position):
        if line.data.strip():
            yield _entry(file, line)


def _entry(file: OrderFile, line: Line) -> Entry:
    after = Position(line.end, line.number)
    text, well_formed = file.decode(line.data)
    text = text.strip()
    if line.is_cut:
        message = _("The line is too long; its beginning is repeated here, correct the rest.")
        return _refused(line, after, text[:200], "line_too_long", message)
    if not well_formed:
        message = _("Characters of this line were lost in a wrong encoding; write them anew.")
        return _refused(line, after, text, "encoding", message)
    try:
        document, raw = _unwrap(orjson.loads(text), text)
    except orjson.JSONDecodeError as error:
        message = _("This is not JSON: %(why)s.") % {"why": str(error).rstrip(".")}
        return _refused(line, after, _text_of(text), "not_json", message)
    if "\ufffd" in text:
        message = _("Characters of this line were lost in a wrong encoding; write them anew.")
        return _refused(line, after, text, "encoding", message)
    return Entry(line.number, document, raw, after)


def _unwrap(value: Any, text: str) -> tuple[Any, Any]:
    """The document in `value`, also from the form in which rejected ones are written."""
    if isinstance(value, dict) and value.keys() <= _WRAPPER:
        if "document" in value:
            return value["document"], value["document"]
        if isinstance(value.get("text"), str):
            document = orjson.loads(value["text"])
            return document, document
    return value, value


def _text_of(text: str) -> str:
    """The text to repeat for a line whose JSON, or whose wrapped text, cannot be read."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return str(value["text"])


def _refused(line: Line, after: Position, text: str, code: str, message: str) -> Entry:
    return Entry(line.number, None, text, after, [FieldError("", code, message)])
