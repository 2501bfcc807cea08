"""What the views of this app share: scopes by method, and the headers that guard a write."""

import re
from functools import cache
from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from changefeed.api.permissions import HasScope
from orders.actors import Actor, key_actor

LONGEST_KEY = 120
ENTITY_TAG = re.compile(r'(?:W/)?"([0-9]{1,9})"', re.ASCII)

_permission_for = cache(HasScope.of)


class PreconditionRequired(APIException):
    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = _('Say which version you change: If-Match: "3". Read the order to learn it.')
    default_code = "precondition_required"


class ScopedView(APIView):
    """A view whose methods each ask for the scope named in `scopes`."""

    scopes: ClassVar[dict[str, str]] = {}

    def get_permissions(self) -> list[BasePermission]:
        method = "GET" if self.request.method == "HEAD" else self.request.method or ""
        if scope := self.scopes.get(method):
            return [_permission_for(scope)()]
        return [IsAuthenticated()]  # lets the caller learn that the method does not exist


def actor_of(request: Request, event_id: str = "") -> Actor:
    """The key holder as the actor of an act."""
    return key_actor(request.auth, event_id)


def idempotency_key(request: Request) -> str:
    """The Idempotency-Key header; empty when there is none. Raises ValidationError if unusable."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "").strip()
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise header_error(
            "Idempotency-Key", _("Use at most 120 letters, digits and signs of ASCII.")
        )
    return key


def expected_version(request: Request) -> int:
    """The version in If-Match. Raises PreconditionRequired without the header."""
    header = request.META.get("HTTP_IF_MATCH", "").strip()
    if not header:
        raise PreconditionRequired
    found = ENTITY_TAG.fullmatch(header)
    if found is None:
        raise header_error("If-Match", _('Write the version in quotes: "3".'))
    return int(found[1])


def entity_tag(version: int) -> str:
    """The ETag of this version of an order."""
    return f'"{version}"'


def header_error(name: str, message: object) -> ValidationError:
    """A refusal that names the header as its field."""
    return ValidationError({name: [ErrorDetail(str(message), code="header")]})
