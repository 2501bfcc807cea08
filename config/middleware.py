"""Request-wide rules that no app owns: the content policy and what may be cached."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware

Handler = Callable[[HttpRequest], HttpResponse]

STRICT = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'; script-src 'self'{script}; style-src 'self'{style}"
)


class ContentPolicyMiddleware:
    """Sets the content policy; the desk allows what Unfold's Alpine needs, the rest is strict."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        loose = request.path.startswith("/admin/")
        response.headers.setdefault(
            "Content-Security-Policy",
            STRICT.format(
                script=" 'unsafe-eval' 'unsafe-inline'" if loose else "",
                style=" 'unsafe-inline'" if loose or request.path.startswith("/api/") else "",
            ),
        )
        if not request.path.startswith(("/static/", "/api/")):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class LogContextMiddleware(RequestMiddleware):
    """Gives every log line of a request its id, its user and its caller's address."""

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        """The address as our own proxies saw it; what the caller claims beyond them is ignored."""
        address = request.META.get("REMOTE_ADDR", "")
        if settings.TRUSTED_PROXIES:
            passed = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            address = passed[-min(settings.TRUSTED_PROXIES, len(passed))].strip() or address
        structlog.contextvars.bind_contextvars(ip=address)
