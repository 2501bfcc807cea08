"""Cells that a spreadsheet would take for a formula: guarded in what is written; pure."""

import re

_RISKY = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def guard(cell: str) -> str:
    """The cell with an apostrophe before it when it could start a formula."""
    return f"'{cell}" if _RISKY.match(cell) else cell


def unguard(cell: str) -> str:
    """The cell as it was before `guard`; other cells stay as they are."""
    return cell[1:] if _GUARDED.match(cell) else cell
