"""The OpenAPI document: built once a language, with the problem documents of every operation."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator

from config.json_api import PROBLEM_TYPE

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `errors` lists the fields that are wrong, `current_version` is the "
    "order's version now; both only where they apply.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:sluice:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "current_version": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string", "examples": ["lines[0].quantity"]},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
REFERENCE = {"$ref": "#/components/schemas/Problem"}
ALWAYS = {
    "401": "No valid API key.",
    "403": "The key lacks the scope.",
    "405": "The address exists, the method does not.",
    "406": "Only JSON is spoken here.",
    "429": "The key used up its minute; Retry-After says when to go on.",
    "500": "Something failed on our side; nothing was changed.",
}
WITH_NAMES = {"404": "There is no such record."}
WITH_INPUT = {"422": "Some fields are wrong; `errors` names them."}
WITH_BODY = {
    "400": "Not JSON in UTF-8.",
    "409": "It collides with what is on record: another content, state or version.",
    "413": "The body is too large.",
    "415": "Not application/json.",
}
WITH_IF_MATCH = {"428": "If-Match is missing."}
METHODS = {"get", "post", "put", "patch", "delete"}


def add_problems(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Document the refusals of every operation, all as one Problem component."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if method in METHODS and operation.get("security"):
                _complete(path, operation)
    _simplify(result)
    return result


def _simplify(part: Any) -> None:
    """Write "anything, or null" as "anything": null would match both and so neither."""
    if isinstance(part, dict):
        if part.get("oneOf") == [{}, {"type": "null"}]:
            del part["oneOf"]
        for value in part.values():
            _simplify(value)
    elif isinstance(part, list):
        for value in part:
            _simplify(value)


def _complete(path: str, operation: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    expected = dict(ALWAYS)
    if "{" in path or "requestBody" in operation:
        expected |= WITH_NAMES
    if "requestBody" in operation:
        expected |= WITH_BODY
    if parameters or "requestBody" in operation:
        expected |= WITH_INPUT
    if any(one["name"] == "If-Match" for one in parameters):
        expected |= WITH_IF_MATCH
    responses = operation.setdefault("responses", {})
    for status, description in expected.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {PROBLEM_TYPE: {"schema": REFERENCE}}
    operation["responses"] = dict(sorted(responses.items()))


class KeptSchemaGenerator(SchemaGenerator):
    """The public document does not depend on who asks, and takes a second to build: kept."""

    _kept: ClassVar[dict[str, Any]] = {}

    def get_schema(self, request: HttpRequest | None = None, public: bool = False) -> Any:
        """The document in the active language."""
        if not public:
            return super().get_schema(request, public)
        language = get_language() or ""
        if language not in self._kept:
            self._kept[language] = super().get_schema(request, public)
        return self._kept[language]
