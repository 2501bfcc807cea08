"""Who is calling the API: `Authorization: Api-Key …`, answered from memory when it can be."""

from django.core.exceptions import RequestDataTooBig
from django.http.request import UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, ParseError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from changefeed.clock import database_now
from changefeed.errors import BadSignature
from changefeed.keys import find_key
from changefeed.models import ApiKey
from changefeed.signatures import verify

_LONGEST_HEADER = 200


class BodyTooLarge(APIException):
    """More was sent than is read before its signature is known to hold."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = _("The body is too large; send it in several calls.")
    default_code = "too_large"


def _require_signature(request: Request, key: ApiKey) -> None:
    """Check the bytes that arrived, before anything reads a meaning into them."""
    try:
        raw = request._request.body
    except RequestDataTooBig:
        raise BodyTooLarge from None
    except UnreadablePostError:
        raise ParseError(_("The body ended before its time.")) from None
    try:
        verify(raw, request.headers, [key.signing_secret], now=database_now())
    except BadSignature:
        raise AuthenticationFailed(
            _("The signature is missing, wrong, or more than five minutes old.")
        ) from None


def message_id(request: Request) -> str:
    """The id under which a signed call was sent, the same when it is sent again; else empty."""
    key = request.auth
    signed = isinstance(key, ApiKey) and key.signing_secret
    return request.headers.get("webhook-id", "") if signed else ""


class KeyHolder:
    """The caller behind an API key, in the shape DRF expects of a user."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False

    def __init__(self, key: ApiKey) -> None:
        self.pk = f"key:{key.name}"
        self.username = self.pk

    def __str__(self) -> str:
        return self.pk


class ApiKeyAuthentication(BaseAuthentication):
    """Reads the key from the header only; `request.auth` becomes the ApiKey."""

    keyword = "api-key"

    def authenticate(self, request: Request) -> tuple[KeyHolder, ApiKey] | None:
        scheme, _space, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != self.keyword:
            return None
        plain = plain.strip()
        if not plain.isascii() or "\x00" in plain or len(plain) > _LONGEST_HEADER:
            raise AuthenticationFailed(_("The API key is not valid."))
        key = find_key(plain)
        if key is None:
            raise AuthenticationFailed(_("The API key is not valid."))
        if key.signing_secret and request.method not in SAFE_METHODS:
            _require_signature(request, key)
        return KeyHolder(key), key

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
