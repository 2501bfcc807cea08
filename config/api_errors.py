"""Errors of the API as RFC 9457 problem documents with a list of fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, status
from rest_framework.response import Response

from orders import errors
from rules.errors import RulesUnavailable

STATUS_BY_ERROR: dict[type[Exception], int] = {
    errors.InvalidOrder: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.ReasonMissing: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.NotFound: status.HTTP_404_NOT_FOUND,
    errors.NotAllowed: status.HTTP_403_FORBIDDEN,
    errors.OrderError: status.HTTP_409_CONFLICT,
}


def problem(
    status_code: int,
    code: str,
    title: str,
    *,
    fields: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """A response of type application/problem+json."""
    body = {"type": f"urn:sluice:{code}", "title": title, "status": status_code, **extra}
    if fields is not None:
        body["errors"] = fields
    return Response(
        body, status=status_code, headers=headers, content_type="application/problem+json"
    )


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The problem document for an exception raised in a view; None lets Django answer 500."""
    if isinstance(error, errors.OrderError):
        return _domain_problem(error)
    if isinstance(error, RulesUnavailable):
        return problem(
            status.HTTP_503_SERVICE_UNAVAILABLE,
            "rules_unavailable",
            _("The rules cannot be read now; send the request again in a moment."),
            headers={"Retry-After": "1"},
        )
    if isinstance(error, RecursionError):  # readable, but not by what has to look into it
        return problem(
            status.HTTP_400_BAD_REQUEST, "parse_error", _("The JSON is nested too deeply.")
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        return problem(
            status.HTTP_422_UNPROCESSABLE_ENTITY,
            "invalid",
            _("Some fields are wrong; correct them and send the request again."),
            fields=list(_flatten(error.detail)),
            headers=headers,
        )
    code = error.get_codes()
    return problem(
        error.status_code,
        code if isinstance(code, str) else "error",
        str(error.detail),
        headers=headers,
    )


def _domain_problem(error: errors.OrderError) -> Response:
    status_code = next(
        STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR
    )
    fields = None
    extra: dict[str, Any] = {}
    if isinstance(error, errors.InvalidOrder):
        fields = [
            {"field": item.field, "code": item.code, "message": str(item.message)}
            for item in error.errors
        ]
    if isinstance(error, errors.VersionConflict):
        extra["current_version"] = error.current
    return problem(status_code, error.code, error.message, fields=fields, **extra)


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Field errors of nested serializers as flat rows with dotted paths."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from _flatten(value, f"{path}.{key}" if path else str(key))
    elif isinstance(detail, list) and detail and not isinstance(detail[0], str):
        for index, value in enumerate(detail):
            yield from _flatten(value, f"{path}[{index}]")
    elif isinstance(detail, list):
        for message in detail:
            yield {
                "field": path,
                "code": getattr(message, "code", "invalid"),
                "message": str(message),
            }
    else:
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "message": str(detail)}
