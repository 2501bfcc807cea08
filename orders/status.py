"""The states of orders, holds and shipments, and what each of them means."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class OrderState(TextChoices):
    RECEIVED = "received", _("Received")
    ON_HOLD = "on_hold", _("On hold")
    READY = "ready", _("Ready")
    DISPATCHED = "dispatched", _("Dispatched")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    CANCELLED = "cancelled", _("Cancelled")


BEFORE_DISPATCH = (OrderState.RECEIVED, OrderState.ON_HOLD, OrderState.READY)
"""Nothing has left the house: everything may still change without asking a warehouse."""


class HoldState(TextChoices):
    OPEN = "open", _("Open")
    RELEASED = "released", _("Released")
    UPHELD = "upheld", _("Upheld")


class HoldOwner(TextChoices):
    """Who raised a hold; only the owner's own cause, or a supervisor, lifts it."""

    RULE = "rule", _("Rule")
    STOCK = "stock", _("Stock")
    PRICE = "price", _("Price")
    SERVICE_CHANGE = "service_change", _("Service change")
    MANUAL = "manual", _("Manual")
    SCREENING = "screening", _("Screening")


class HoldReason(TextChoices):
    """Why the product itself, not a rule or a person, holds an order; stored by its code."""

    STOCK_SHORT = "stock_short", _("Not enough stock")
    NO_RULES = "no_rules", _("No rule set is live; publish one, then screen the order again")
    SCREENING_FAILED = "screening_failed", _("Screening could not finish")
    SCREENING_LATE = "screening_late", _("Screening took too long; screen the order again")
    LIST_MISSING = "list_missing", _("A live rule names a list that does not exist")
    UNKNOWN_ASSIGNMENT = "unknown_assignment", _("A rule assigns something that does not exist")
    RECALLED = "recalled", _("Stopped after dispatch")


class Risk(TextChoices):
    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")


class FollowUp(TextChoices):
    """What follows when a supervisor upholds a hold."""

    CANCEL = "cancel", _("Cancel the order")
    CORRECTION = "correction", _("Wait for a correction")


class ShipmentState(TextChoices):
    PLANNED = "planned", _("Planned")
    RELEASED = "released", pgettext_lazy("parcel", "Released")
    PICKING = "picking", _("Picking")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    FROZEN = "frozen", _("Frozen")
    CANCELLED = "cancelled", _("Cancelled")


class Temperature(TextChoices):
    AMBIENT = "ambient", _("Ambient")
    CHILLED = "chilled", _("Chilled")
    FROZEN = "frozen", _("Frozen (goods)")


class StockMove(TextChoices):
    """Why a stock figure changed; each row of the ledger carries one."""

    RECEIVE = "receive", _("Goods received")
    RESERVE = "reserve", _("Reserved")
    RELEASE = "release", _("Reservation released")
    CONSUME = "consume", _("Shipped out")
    RETURN = "return", _("Returned goods")
    ADJUST = "adjust", _("Stock-take")
