"""The kinds of change of returns; see returns.triggers."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from changefeed import kinds
from changefeed.kinds import Example, Kind

LINE: dict[str, Any] = {
    "position": 1,
    "sku": "TEA-1",
    "quantity": 1,
    "good_units": None,
    "bad_units": None,
    "refund_amount": "99.00",
}
REQUESTED: dict[str, Any] = {
    "number": "R-20261114-000031",
    "order": "DY-20261111-000127",
    "customer": "C-20931",
    "kind": "return_refund",
    "state": "requested",
    "reason": "too small",
    "refund_amount": "99.00",
    "currency": "CNY",
    "decided_by": "",
    "decision_reason": "",
    "warehouse": None,
    "lines": [LINE],
}
APPROVED = {**REQUESTED, "state": "approved", "decided_by": "user:alice"}
RECEIVED = {
    **APPROVED,
    "state": "received",
    "warehouse": "EAST-1",
    "lines": [{**LINE, "good_units": 1, "bad_units": 0}],
}


def _state(old: str, **new: Any) -> tuple[Example, ...]:
    return (Example("state", old, new),)


KINDS = (
    Kind(
        "return.requested",
        "return",
        _("Return requested"),
        _("A customer, or an agent for them, asked to give something back; `new` is the request."),
        (Example(new=REQUESTED),),
    ),
    Kind(
        "return.lines_changed",
        "return",
        _("Lines of a return changed"),
        _("Lines were added to a request that was told before; `new` is the whole request."),
        (Example(new=REQUESTED),),
    ),
    Kind(
        "return.approved",
        "return",
        _("Return approved"),
        _("The goods may be sent back, or the money goes back without them."),
        _state("requested", **APPROVED),
    ),
    Kind(
        "return.refused",
        "return",
        _("Return refused"),
        _("It was declined; `decision_reason` says why."),
        _state(
            "requested",
            **{**APPROVED, "state": "refused", "decision_reason": "worn, the label is gone"},
        ),
    ),
    Kind(
        "return.goods_received",
        "return",
        _("Returned goods received"),
        _("The goods are back and were counted: good units are in stock again."),
        _state("approved", **RECEIVED),
    ),
    Kind(
        "return.refund_amount_changed",
        "return",
        _("Refund amount changed"),
        _("What came back differs from what was announced, and with it the amount."),
        (Example("refund_amount", "198.00", "99.00"),),
    ),
    Kind(
        "return.refund_requested",
        "return",
        _("Refund of a return asked for"),
        _("The refund is due: finance is asked for it, once a return."),
        (
            Example(
                "refund",
                None,
                {"order": "DY-20261111-000127", "amount": "99.00", "currency": "CNY"},
            ),
        ),
    ),
    Kind(
        "return.closed",
        "return",
        _("Return closed"),
        _("Everything about it is done."),
        _state("received", **{**RECEIVED, "state": "closed"}),
    ),
    Kind(
        "return.withdrawn",
        "return",
        _("Return withdrawn"),
        _("The customer keeps the goods after all."),
        _state("requested", **{**REQUESTED, "state": "withdrawn"}),
    ),
)


def register_kinds() -> None:
    """Tell the catalogue; called once when the app is ready."""
    kinds.register(
        KINDS,
        {"return": _("Returns")},
        rank=2,
        ids={"return": "R-20261114-000031"},
    )
