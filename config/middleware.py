"""Request-wide rules that no app owns: the content policy and what may be cached."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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
