"""What callers of orders.lifecycle may catch; every message says cause, then remedy."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field: `field` is a dotted path such as lines[0].quantity."""

    field: str
    code: str
    message: str


class OrderError(Exception):
    """An act was refused and nothing changed."""

    code = "refused"
    default = _("This cannot be done now.")

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidOrder(OrderError):
    """An order document is wrong; `errors` says where and how."""

    code = "invalid"
    default = _("The order has errors; correct the fields named and send it again.")

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__()
        self.errors = list(errors)


class DifferentBody(OrderError):
    """The same key or number came before with another content."""

    code = "different_body"
    default = _(
        "This key or order number was used before with different content. "
        "Send the change as a change, or use a new number."
    )


class NotFound(OrderError):
    code = "not_found"
    default = _("There is no such record.")


class WrongState(OrderError):
    """The record's state does not permit the act."""

    code = "wrong_state"


class VersionConflict(OrderError):
    """Somebody changed the order since it was read; `current` is its version now."""

    code = "version_conflict"
    default = _("The order was changed meanwhile. Read it again and repeat your change.")

    def __init__(self, current: int) -> None:
        super().__init__()
        self.current = current


class AlreadyDone(OrderError):
    """Somebody else was first; the message names who and when."""

    code = "already_done"


class NotAllowed(OrderError):
    """The person may not do this, whatever the state."""

    code = "not_allowed"
    default = _("You may not do this.")


class ReasonMissing(OrderError):
    code = "reason_missing"
    default = _("Give a reason.")


class OutOfStock(OrderError):
    code = "out_of_stock"
    default = _("There is not enough stock.")
