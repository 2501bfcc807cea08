"""Backtests over HTTP: ask for one, see how far it is, cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    ErrorDetail,
    PermissionDenied,
    ValidationError,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from changefeed.api.permissions import HasScope
from rules.api.backtest_shapes import BacktestAnswer, BacktestRequest
from rules.api.views import PROBLEMS
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import backtests
from rules.models import BacktestRun
from rules.problems import Problems

CONFLICT = {(409, "application/problem+json"): dict}


class NotNow(APIException):
    """An act that the present state does not permit."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "not_possible"


class BacktestsView(APIView):
    """Ask for a backtest."""

    permission_classes = [HasScope.of("rules:read")]

    @extend_schema(
        operation_id="rules_backtest",
        summary="Try rules on the orders of a period, beside the live ones",
        description="The answer comes at once, the result later: ask for `links.self` until "
        "`state` is done, cancelled or failed. Windows and list expiries are asked at the time "
        "of each decision; the lists are as they are now. 409 when too many of your backtests "
        "are on the way already.",
        request=BacktestRequest,
        responses={202: BacktestAnswer, **PROBLEMS},
        tags=["rules"],
    )
    def post(self, request: Request) -> Response:
        asked = BacktestRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        if (given.get("rules") is None) == (given.get("version") is None):
            message = _("Give either rules or the number of a version.")
            raise ValidationError({"rules": [ErrorDetail(message, code="either_or")]})
        since, until = _period(given)
        try:
            run = backtests.request_backtest(
                _actor(request),
                since=since,
                until=until,
                document=given.get("rules"),
                version=given.get("version"),
                base=given.get("base"),
                sweep=given.get("sweep"),
                title=given.get("title", ""),
            )
        except DocumentInvalid as error:
            raise _refused(error) from None
        except NotPossible as error:
            raise NotNow(str(error)) from None
        answer = BacktestAnswer(run).data
        return Response(
            answer, status=status.HTTP_202_ACCEPTED, headers={"Location": answer["links"]["self"]}
        )


class BacktestView(APIView):
    """How far a backtest is, and its result."""

    permission_classes = [HasScope.of("rules:read")]

    @extend_schema(
        operation_id="rules_backtest_run",
        summary="How far a backtest is, and what came out",
        responses={200: BacktestAnswer},
        tags=["rules"],
    )
    def get(self, request: Request, run_id: int) -> Response:
        return Response(BacktestAnswer(_found(run_id)).data)


class CancelBacktestView(APIView):
    """Stop a backtest."""

    permission_classes = [HasScope.of("rules:read")]

    @extend_schema(
        operation_id="rules_backtest_cancel",
        summary="Stop a backtest that this key asked for",
        description="A running one stops within a second. Repeating it changes nothing; 409 when "
        "it is finished.",
        request=None,
        responses={200: BacktestAnswer, **CONFLICT},
        tags=["rules"],
    )
    def post(self, request: Request, run_id: int) -> Response:
        run = _found(run_id)
        if run.requested_by != _actor(request):
            raise PermissionDenied(_("Only whoever asked for a backtest may cancel it."))
        try:
            return Response(BacktestAnswer(backtests.cancel_backtest(run.pk)).data)
        except NotPossible as error:
            raise NotNow(str(error)) from None


def _actor(request: Request) -> str:
    return f"key:{request.auth.name}"  # type: ignore[union-attr]


def _found(run_id: int) -> BacktestRun:
    run = BacktestRun.objects.filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


def _period(given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    found = Problems()
    since, until = (found.time(given[name], name) for name in ("since", "until"))
    if since is None or until is None:
        raise _refused(DocumentInvalid(found.errors))
    return since, until


def _refused(error: DocumentInvalid) -> ValidationError:
    detail: dict[str, list[ErrorDetail]] = {}
    for mistake in error.errors:
        message = ErrorDetail(mistake.message, code=mistake.code)
        detail.setdefault(mistake.path or "rules", []).append(message)
    return ValidationError(detail)
