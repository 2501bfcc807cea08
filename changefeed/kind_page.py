"""The catalogue of kinds as a page of Markdown; pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from changefeed.kinds import Example, Family, Kind

_WIDEST = 96
_HEAD = """\
# Kinds of change

<!-- Written by `manage.py feedkinds --markdown`; a test compares it with the catalogue. -->

Every message has one of these as its `type`. What stands around it is told in
[feed.md](feed.md#a-message); below are its `data.field`, `data.old` and `data.new`. An event has an
empty field. New kinds and new members may appear: ignore what you do not know.

Filters of endpoints and of the pull API take these names, and `order.*` for a whole family. A name
that does not exist is refused, with what was probably meant. Money is text with two digits, times
are RFC 3339. The same catalogue as JSON: `manage.py feedkinds --json`.

"""


def markdown_of(families: Sequence[Family]) -> str:
    """The page: a table of the families, then every kind with its meaning and examples."""
    return _HEAD + "\n".join([*_overview(families), *map(_family, families)])


def _overview(families: Sequence[Family]) -> Iterator[str]:
    yield "| family | about | kinds |"
    yield "|---|---|---|"
    for family in families:
        names = ", ".join(f"[{_event(kind)}](#{_anchor(kind)})" for kind in family.kinds)
        yield f"| `{family.wildcard}` | {_subjects(family)} | {names} |"
    yield ""


def _family(family: Family) -> str:
    """A family; values that look like those of a kind before it are told by what differs."""
    parts = [f"## {family.label}\n"]
    seen: list[Kind] = []
    for kind in family.kinds:
        told = textwrap.fill(f"**{kind.label}.** {kind.when}", 100, break_on_hyphens=False)
        parts.append(f"### {kind.name}\n\n{told}\n")
        parts += [_example(example, seen) for example in kind.examples]
        seen.append(kind)
    return "\n".join(parts)


def _example(example: Example, before: Sequence[Kind]) -> str:
    if example == Example():
        return "No field, no values.\n"
    told = {"field": example.field, "old": example.old, "new": example.new}
    for kind in before:
        if example == kind.examples[0] and isinstance(example.new, dict):
            return f"It looks like [{kind.name}](#{_anchor(kind)}).\n"
        differing = _differing(kind.examples[0].new, example.new)
        if differing is not None:
            told["new"] = differing
            return f"{_block(told)}\nThe rest of `new` as in [{kind.name}](#{_anchor(kind)}).\n"
    return _block(told)


def _differing(model: Any, value: Any) -> dict[str, Any] | None:
    """The members in which a large object differs from another of the same members."""
    if not isinstance(model, dict) or not isinstance(value, dict) or model.keys() != value.keys():
        return None
    differing = {name: one for name, one in value.items() if one != model[name]}
    return differing if len(value) > 3 * len(differing) else None


def _block(value: Any) -> str:
    return f"```json\n{_written(value)}\n```\n"


def _written(value: Any, indent: int = 0, taken: int = 0) -> str:
    """JSON, broken into lines only where one would be too long; `taken` stands before it."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or indent + taken + len(line) <= _WIDEST:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        names = {name: f"{json.dumps(name, ensure_ascii=False)}: " for name in value}
        parts = [names[k] + _written(v, indent + 2, len(names[k])) for k, v in value.items()]
    else:
        parts = [_written(one, indent + 2) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, ",\n".join(inner + one for one in parts), " " * indent + closing])


def _subjects(family: Family) -> str:
    subjects = dict.fromkeys(kind.subject for kind in family.kinds)
    return ", ".join(f"`{subject}`" if subject else "any subject" for subject in subjects)


def _event(kind: Kind) -> str:
    return kind.name.partition(".")[2]


def _anchor(kind: Kind) -> str:
    """The anchor that renderers make of a heading: its dot falls away."""
    return kind.name.replace(".", "")
