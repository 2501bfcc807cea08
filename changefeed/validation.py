"""What may be written into an endpoint's form."""

from ipaddress import ip_network
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _


def validate_address(url: str) -> None:
    """Only http and https, and no password in the address, which would end up in pages."""
    parts = urlsplit(url)
    try:
        _port = parts.port
    except ValueError:
        raise ValidationError(URLValidator.message, code="port") from None
    if parts.scheme not in {"http", "https"}:
        raise ValidationError(_("The address must begin with https:// or http://."), code="scheme")
    if parts.username is not None or parts.password is not None:
        raise ValidationError(
            _("Leave user name and password out of the address; messages are signed instead."),
            code="credentials",
        )


def validate_network(text: str) -> None:
    """A network such as 10.20.0.0/16 or fd00::/8."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValidationError(
            _("“%(text)s” is not a network; write it like 10.20.0.0/16."),
            code="network",
            params={"text": text},
        ) from None
