"""What callers of returns.lifecycle may catch beside orders.errors."""

from django.utils.translation import gettext_lazy as _

from orders.errors import InvalidOrder


class InvalidReturn(InvalidOrder):
    """A return was refused before it began; `errors` says which line and why."""

    code = "invalid_return"
    default = _("This cannot be returned like this; correct the fields named.")
