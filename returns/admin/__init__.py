"""The desk's door to returns."""

from returns.admin.requests import ReturnRequestAdmin

__all__ = ["ReturnRequestAdmin"]
