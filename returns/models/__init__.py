"""Tables of the returns app."""

from returns.models.requests import ReturnLine, ReturnRequest

__all__ = ["ReturnLine", "ReturnRequest"]
