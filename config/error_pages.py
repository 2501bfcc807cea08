"""Errors that no view answered: problem documents under /api/, Django's pages elsewhere."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from config.json_api import PROBLEM_TYPE


@csrf_exempt
def no_such_address(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """404 for every address under /api/ that leads nowhere."""
    return _problem(404, "not_found", _("There is nothing here. Addresses end with a slash."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for requests that Django refuses before any view sees them."""
    if _is_api(request):
        return _problem(400, "bad_request", _("The request cannot be read."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 for a refusal outside the API's own permissions."""
    if _is_api(request):
        return _problem(403, "permission_denied", _("You may not do this."))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if _is_api(request):
        return no_such_address(request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; what happened stands in the log, never in the answer."""
    if _is_api(request):
        title = _("Something failed on our side; nothing was changed. Try again later.")
        return _problem(500, "server_error", title)
    return defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _problem(status: int, code: str, title: str) -> HttpResponse:
    body = {"type": f"urn:sluice:{code}", "title": title, "status": status}
    return HttpResponse(orjson.dumps(body), status=status, content_type=PROBLEM_TYPE)
