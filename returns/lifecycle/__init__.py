"""Every act on a return: requested, decided, received, closed, withdrawn.

Each act is one transaction, locks the order before the request, and changes nothing when it raises.
"""

from returns.lifecycle.closing import close_return, withdraw_return
from returns.lifecycle.deciding import approve_return, refuse_return
from returns.lifecycle.receiving import InspectedLine, receive_goods
from returns.lifecycle.requesting import RequestedLine, request_return

__all__ = [
    "InspectedLine",
    "RequestedLine",
    "approve_return",
    "close_return",
    "receive_goods",
    "refuse_return",
    "request_return",
    "withdraw_return",
]
