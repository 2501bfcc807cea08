"""What callers of the rules' acts may catch."""

from rules.problems import DocumentError, DocumentInvalid

__all__ = ["DocumentError", "DocumentInvalid", "NotPossible"]


class NotPossible(Exception):
    """An act that the present state of the rule set or list does not permit."""
