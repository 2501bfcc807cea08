"""What receivers are sent, in the OpenAPI document: its `webhooks` and the kinds of change."""

from __future__ import annotations

from typing import Any

from changefeed import kinds
from changefeed.kinds import Kind

_ID = "019a3c1e-7f0a-7cc1-9a51-0d2f1f1d7c11"
_COVERS = {
    "type": "array",
    "description": "Only in a pushed message that stands for several changes of one field: all "
    "that it stands for, oldest first.",
    "items": {
        "type": "object",
        "required": ["id", "seq", "version"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "seq": {"type": "integer"},
            "version": {"type": "integer"},
        },
    },
}
_BATCH = {
    "type": "object",
    "description": "Several messages in one request; those of one subject are in order.",
    "required": ["type", "messages"],
    "properties": {
        "type": {"const": "batch"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "maxItems": 500,
            "items": {"$ref": "#/components/schemas/ChangeMessage"},
        },
    },
}
_RESULTS = {
    "type": "object",
    "description": "What became of each message; one that is not listed was not received.",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "status"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "status": {"type": "integer", "examples": [200, 422]},
                },
            },
        }
    },
}
_ANSWERS = {
    "2XX": {"description": "It is stored; the next change of its subject follows."},
    "408": {"description": "It is sent again with growing, random pauses."},
    "410": {"description": "The endpoint is paused until a person resumes it."},
    "429": {"description": "It is sent again after `Retry-After`, an hour at most."},
    "4XX": {"description": "Tried twelve times over some minutes; then its subject is parked."},
    "5XX": {"description": "It is sent again with growing, random pauses; nothing is dropped."},
}
_BATCH_ANSWERS = {
    **_ANSWERS,
    "2XX": {
        "description": "Without `results` all of it is stored, else what they say, best as 207.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchResults"}}},
    },
    "4XX": {"description": "It is sent in halves until the refused message is alone."},
}


def add_webhooks(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Describe the pushed messages and name every kind, in the active language."""
    schemas = result["components"]["schemas"]
    schemas["ChangeKind"] = _kind_schema()
    schemas["ChangeBatch"], schemas["BatchResults"] = _BATCH, _RESULTS
    schemas["ChangeMessage"]["properties"]["type"] = {"$ref": "#/components/schemas/ChangeKind"}
    schemas["ChangeData"]["properties"]["covers"] = _COVERS
    result["webhooks"] = {
        "change": {"post": _change()},
        "batch": {"post": _batch()},
    }
    return result


def example_message(kind: Kind) -> dict[str, Any]:
    """A whole message of this kind as a receiver gets it."""
    example = kind.examples[0]
    subject = kind.subject or "order"
    return {
        "id": _ID,
        "type": kind.name,
        "timestamp": "2026-11-11T02:13:09.418204Z",
        "data": {
            "seq": 48211,
            "subject": {"kind": subject, "id": kinds.example_id(subject), "version": 7},
            "field": example.field,
            "old": example.old,
            "new": example.new,
            "actor": "user:alice",
            "source": "sluice",
            "schema_version": 1,
        },
    }


def _kind_schema() -> dict[str, Any]:
    """An enumeration that stays open: a later release may know more."""
    listed = "\n".join(f"- `{kind.name}`: {kind.label}. {kind.when}" for kind in kinds.known())
    return {
        "description": f"What happened; other kinds may be added.\n\n{listed}",
        "anyOf": [
            {"type": "string", "enum": [kind.name for kind in kinds.known()]},
            {"type": "string", "pattern": r"^[a-z]+\.[a-z_]+$"},
        ],
    }


def _change() -> dict[str, Any]:
    return {
        "operationId": "webhook_change",
        "summary": "One change",
        "description": (
            "Sent to the address of each endpoint whose filters want it, in order per subject, "
            "until it is answered 2xx within ten seconds. It may come again, with the same `id` "
            "and the same bytes."
        ),
        "tags": ["webhooks"],
        "security": [],
        "parameters": _headers(_ID),
        "requestBody": _body(
            "ChangeMessage",
            {
                kind.name: {"summary": str(kind.label), "value": example_message(kind)}
                for kind in kinds.known()
            },
        ),
        "responses": _ANSWERS,
    }


def _batch() -> dict[str, Any]:
    messages = [example_message(kind) for kind in kinds.known()[:2]]
    return {
        "operationId": "webhook_batch",
        "summary": "Several changes",
        "description": (
            "Sent instead of single changes to an endpoint that asked for more than one event per "
            "request, also when there is only one. Remember the `id` of each message, not that of "
            "the batch."
        ),
        "tags": ["webhooks"],
        "security": [],
        "parameters": _headers("batch_0b8f3e5b1c7a4d2e9f60718293a4b5c6"),
        "requestBody": _body(
            "ChangeBatch",
            {"batch": {"value": {"type": "batch", "messages": messages}}},
        ),
        "responses": _BATCH_ANSWERS,
    }


def _body(schema: str, examples: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _headers(message_id: str) -> list[dict[str, Any]]:
    """The headers of Standard Webhooks, and ours."""
    return [
        _header("webhook-id", "The same whenever the same message comes.", message_id),
        _header("webhook-timestamp", "When it was sent, in seconds since 1970.", "1794363189"),
        _header(
            "webhook-signature",
            "`v1,` and the Base64 of the HMAC-SHA256 of `id.timestamp.body` by your secret; two "
            "with a space between them while the secret is changed.",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        _header(
            "webhook-replay",
            "Only on what is told once more because somebody asked for it.",
            "true",
            is_required=False,
        ),
    ]


def _header(
    name: str, description: str, example: str, *, is_required: bool = True
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": is_required,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }
