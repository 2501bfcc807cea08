"""Dry runs over HTTP; nothing is stored and nobody is acted upon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from changefeed.api.permissions import HasScope
from rules import live
from rules.api.answers import traced_answers
from rules.api.serializers import EvaluateAnswer, EvaluateRequest
from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Document
from rules.errors import DocumentInvalid
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.lifecycle import known_lists
from rules.parsing import parse_document
from rules.problems import Problems
from rules.sentences import sentence_for_match
from rules.trace import trace

PROBLEMS = {
    (status, "application/problem+json"): OpenApiResponse(OpenApiTypes.OBJECT, description=text)
    for status, text in (
        (400, "Not readable as JSON."),
        (401, "No valid API key."),
        (403, "The key lacks the scope rules:read."),
        (415, "Not application/json."),
        (422, "Some fields are wrong; `errors` lists them."),
        (429, "Too many requests."),
    )
}


class EvaluateView(APIView):
    """What the rules would say about some facts."""

    permission_classes = [HasScope.of("rules:read")]

    @extend_schema(
        operation_id="rules_evaluate",
        summary="Dry run: facts in, decision and reasons out",
        request=EvaluateRequest,
        responses={200: EvaluateAnswer, **PROBLEMS},
        tags=["rules"],
    )
    def post(self, request: Request) -> Response:
        asked = EvaluateRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        facts, mistakes = catalogue.read(asked.validated_data["facts"])
        if mistakes:
            raise _refused((f"facts.{m.key}", m.code, str(m.message)) for m in mistakes)
        at = _time(asked.validated_data.get("at"))
        given = asked.validated_data.get("rules")
        if given is None:
            rules = live.current()
            decision = rules.compiled.decide(facts, at)
            answer = _answer(decision, rules.version, rules.list_versions)
            return Response(answer | _trace(asked, rules.document, facts, at, rules.lists))
        try:
            document = parse_document(given, catalogue, known_lists())
        except DocumentInvalid as error:
            raise _refused((e.path or "rules", e.code, e.message) for e in error.errors) from None
        lists = live.load_lists(document)
        decision = compile_rules(document, lists).decide(facts, at)
        versions = {key: snapshot.version for key, snapshot in lists.items()}
        answer = _answer(decision, None, versions)
        return Response(answer | _trace(asked, document, facts, at, lists))


def _trace(
    asked: EvaluateRequest,
    document: Document,
    facts: Mapping[str, object],
    at: datetime,
    lists: Mapping[str, ListSnapshot],
) -> dict[str, Any]:
    if not asked.validated_data["trace"]:
        return {}
    return {"trace": traced_answers(trace(document, facts, at, lists))}


def _time(raw: object) -> datetime:
    if raw is None:
        return timezone.now()
    found = Problems()
    moment = found.time(raw, "at")
    if moment is None:
        raise _refused((e.path, e.code, e.message) for e in found.errors)
    return moment


def _refused(mistakes: Iterable[tuple[str, str, str]]) -> ValidationError:
    detail: dict[str, list[ErrorDetail]] = {}
    for path, code, message in mistakes:
        detail.setdefault(path, []).append(ErrorDetail(message, code=code))
    return ValidationError(detail)


def _answer(
    decision: Decision, version: int | None, list_versions: dict[str, int]
) -> dict[str, Any]:
    matches = [m.as_json() | {"sentence": sentence_for_match(m)} for m in decision.matches]
    return {
        "version": version,
        "list_versions": list_versions,
        "decision": decision.as_json()
        | {"intercept": matches[0] if decision.intercept else None, "matches": matches},
    }
