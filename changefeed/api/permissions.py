"""What a caller may do: scopes of its key; without one, nothing."""

from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from changefeed.models import ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    """The default of every view, so that one without a stated permission answers nobody."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False


class HasScope(BasePermission):
    """Allows a key that carries the scope; made by `HasScope.of("orders:write")`."""

    scope: ClassVar[str] = ""

    @classmethod
    def of(cls, scope: str) -> type["HasScope"]:
        """A permission class asking for this scope."""
        return type(f"HasScope_{scope.replace(':', '_')}", (cls,), {"scope": scope})

    @property
    def message(self) -> str:
        return _("This API key lacks the scope %(scope)s.") % {"scope": self.scope}

    def has_permission(self, request: Request, view: "APIView") -> bool:
        key = request.auth
        return bool(self.scope) and isinstance(key, ApiKey) and self.scope in key.scopes
