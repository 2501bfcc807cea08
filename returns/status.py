"""The kinds and states of a return request, and what each state means."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ReturnKind(TextChoices):
    RETURN_REFUND = "return_refund", _("Return and refund")
    REFUND_ONLY = "refund_only", _("Refund only")
    EXCHANGE = "exchange", _("Exchange")


class ReturnState(TextChoices):
    REQUESTED = "requested", _("Requested")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    RECEIVED = "received", _("Goods are back")
    CLOSED = "closed", _("Closed")
    WITHDRAWN = "withdrawn", _("Withdrawn")


FINAL = (ReturnState.REFUSED, ReturnState.CLOSED, ReturnState.WITHDRAWN)
"""Nothing follows; the database refuses to change these."""

VOID = (ReturnState.REFUSED, ReturnState.WITHDRAWN)
"""Came to nothing: the units may be asked back again."""

INSPECTED = (ReturnState.RECEIVED, ReturnState.CLOSED)
"""What was found on arrival counts, no longer what was announced."""
