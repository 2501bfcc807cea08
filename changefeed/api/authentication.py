"""Who is calling the API: `Authorization: Api-Key …`, answered from memory when it can be."""

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from changefeed.keys import find_key
from changefeed.models import ApiKey

_LONGEST_HEADER = 200


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
        return KeyHolder(key), key

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
