"""The conflict report over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from changefeed.api.permissions import HasScope
from rules.analysis.wording import sentence_for_finding
from rules.api.check_shapes import FOCUS_HELP, CheckAnswer, CheckRequest, FocusRequest
from rules.api.views import PROBLEMS
from rules.checking import check_document
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.lifecycle import known_lists
from rules.parsing import parse_document


class CheckView(APIView):
    """What is wrong with a document of rules: errors, and what collides."""

    permission_classes = [HasScope.of("rules:read")]

    @extend_schema(
        operation_id="rules_check",
        summary="Every error of a rule document, and every conflict with its proof",
        request=CheckRequest,
        parameters=[OpenApiParameter("focus", str, description=FOCUS_HELP)],
        responses={200: CheckAnswer, **PROBLEMS},
        tags=["rules"],
    )
    def post(self, request: Request) -> Response:
        given, focus = _asked(request)
        try:
            document = parse_document(given, catalogue, known_lists())
            report = check_document(document, focus)
        except DocumentInvalid as error:
            errors = [mistake.as_json() for mistake in error.errors]
            return Response(_answer(errors=errors, valid=False))
        except LookupError as error:
            refusal = ErrorDetail(str(error), code="unknown_rule")
            raise ValidationError({"focus": [refusal]}) from None
        findings = [
            finding.as_json() | {"sentence": sentence_for_finding(finding, document)}
            for finding in report.findings
        ]
        return Response(
            _answer(
                rules=len(document.rules),
                findings=findings,
                complete=report.complete,
                undecided=list(report.undecided),
            )
        )


def _asked(request: Request) -> tuple[object, str]:
    """The document, and the option given beside it or in the address."""
    given: Any = request.data
    options: dict[str, object] = {}
    if request.query_params.get("focus"):
        options["focus"] = request.query_params["focus"]
    if isinstance(given, Mapping) and "focus" in given:
        options["focus"] = given["focus"]
        given = {name: value for name, value in given.items() if name != "focus"}
    asked = FocusRequest(data=options)
    asked.is_valid(raise_exception=True)
    return given, asked.validated_data.get("focus", "")


def _answer(**fields: object) -> dict[str, object]:
    nothing: dict[str, object] = {
        "valid": True,
        "rules": 0,
        "errors": [],
        "findings": [],
        "complete": True,
        "undecided": [],
    }
    return nothing | fields
