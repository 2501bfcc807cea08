"""What callers of the rules' acts may catch."""

from rules.problems import DocumentError, DocumentInvalid

__all__ = ["DocumentError", "DocumentInvalid", "NotPossible"]


class NotPossible(Exception):
    """An act that the present state of the rule set or list does not permit."""


class RulesUnavailable(Exception):
    """The rules in force cannot be told now; `is_late` when that is because it took too long."""

    def __init__(self, *, is_late: bool) -> None:
        self.is_late = is_late
        super().__init__("the rules in force cannot be read")
