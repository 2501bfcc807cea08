"""Sentences of the API that more than one answer needs, in the language asked for."""

from orders.status import HoldReason


def hold_message(reason: str) -> str:
    """A hold's reason to read: the product's own codes in words, anything else as written."""
    return str(HoldReason(reason).label) if reason in HoldReason.values else reason
