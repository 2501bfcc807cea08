"""Asking finance for money: one event on the feed, in the transaction that makes it due."""

from changefeed.recording import record_change
from returns.models import ReturnRequest


def ask_refund(request: ReturnRequest) -> None:
    """Say on the feed that the refund is due; nothing for exchanges and for nothing paid.

    The caller holds the request's lock and has saved it.
    """
    if not request.gives_money or not request.refund_amount:
        return
    request.refresh_from_db(fields=["version"])
    record_change(
        "return.refund_requested",
        subject_kind="return",
        subject_id=request.number,
        subject_version=request.version,
        field="refund",
        new={
            "order": request.order.number,
            "amount": str(request.refund_amount),
            "currency": request.order.currency,
        },
    )
