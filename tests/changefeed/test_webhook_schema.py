"""The OpenAPI document describes what receivers get: every kind, the headers, the batch."""

import json
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from changefeed import kinds
from config.openapi import KeptSchemaGenerator
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import Receiver
from tests.changefeed.rows import change, make_endpoint

SCHEMAS = "#/components/schemas/"
HEADERS = {"webhook-id", "webhook-timestamp", "webhook-signature", "webhook-replay"}


@pytest.fixture(scope="module")
def document() -> Any:
    rendered = OpenApiJsonRenderer().render(KeptSchemaGenerator().get_schema(public=True))
    return json.loads(rendered)


def is_valid(document: Any, name: str, value: Any) -> bool:
    schema = {"$ref": f"{SCHEMAS}{name}", "components": document["components"]}
    return bool(Draft202012Validator(schema).is_valid(value))


def content(document: Any, webhook: str) -> Any:
    return document["webhooks"][webhook]["post"]["requestBody"]["content"]["application/json"]


def test_the_document_is_sound(document):
    validate_schema(document)


def test_the_address_serves_it():
    accept = {"Accept": "application/vnd.oai.openapi+json"}
    answer = Client().get("/api/v1/schema/", headers=accept)

    assert set(answer.json()["webhooks"]) == {"change", "batch"}


def test_every_kind_is_named_and_has_a_valid_example(document):
    names = [kind.name for kind in kinds.known()]

    assert document["components"]["schemas"]["ChangeKind"]["anyOf"][0]["enum"] == names
    examples = content(document, "change")["examples"]
    assert list(examples) == names
    for name, example in examples.items():
        assert is_valid(document, "ChangeMessage", example["value"]), name
        assert example["value"]["data"]["subject"]["id"], name


def test_a_kind_of_a_later_release_is_valid_too(document):
    message = content(document, "change")["examples"]["order.held"]["value"]

    assert is_valid(document, "ChangeMessage", {**message, "type": "order.frobnicated"})
    assert not is_valid(document, "ChangeMessage", {**message, "type": "nonsense"})
    assert not is_valid(document, "ChangeMessage", {**message, "data": {}})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("batch_size", "schema"), [(1, "ChangeMessage"), (5, "ChangeBatch")])
def test_what_is_really_sent_is_as_described(document, receiver: Receiver, batch_size, schema):
    make_endpoint(url=receiver.url, batch_size=batch_size, coalesce=True)
    change("A", 1, "order.held", field="state", old="ready", new="on_hold")
    change("A", 2, "order.address_changed", field="ship_to", old={}, new={"city": "1"})
    change("A", 3, "order.address_changed", field="ship_to", old={}, new={"city": "2"})

    drain_once()

    assert receiver.seen
    for one in receiver.seen:
        assert is_valid(document, schema, one.document)
        sent = {name.lower() for name in one.headers if name.lower().startswith("webhook-")}
        webhook = document["webhooks"]["change" if batch_size == 1 else "batch"]
        described = {each["name"]: each["required"] for each in webhook["post"]["parameters"]}
        assert set(described) == HEADERS
        assert {name for name, required in described.items() if required} <= sent <= HEADERS
    told = json.dumps([one.document for one in receiver.seen])
    assert '"covers"' in told
