"""The OpenAPI document is true: whatever is sent, the answer is one that it describes."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.renderers import OpenApiJsonRenderer
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from changefeed.keys import SCOPES, create_key
from config.openapi import KeptSchemaGenerator
from orders.lifecycle.dispatching import dispatch_ready
from tests.factories import make_sku, order_document
from tests.orders.calling import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXPECTED = {
    "/api/v1/orders/",
    "/api/v1/orders/bulk/",
    "/api/v1/orders/{number}/",
    "/api/v1/orders/{number}/timeline/",
    "/api/v1/orders/{number}/decisions/",
    "/api/v1/orders/{number}/cancel/",
    "/api/v1/orders/{number}/holds/{hold_id}/release/",
    "/api/v1/orders/{number}/holds/{hold_id}/uphold/",
    "/api/v1/shipments/{number}/events/",
    "/api/v1/changes/",
    "/api/v1/rules/evaluate/",
    "/api/v1/rules/check/",
    "/api/v1/rules/backtest/",
    "/api/v1/rules/backtest/{run_id}/",
    "/api/v1/rules/backtest/{run_id}/cancel/",
    "/api/v1/returns/",
}


def _config() -> SchemathesisConfig:
    generation = GenerationConfig(
        modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE],
        max_examples=EXAMPLES,
        deterministic=True,
        database="none",
    )
    return SchemathesisConfig(
        seed=1,
        projects=ProjectsConfig(default=ProjectConfig(generation=generation)),
    )


def _document() -> dict[str, Any]:
    """The document as the address serves it."""
    rendered = OpenApiJsonRenderer().render(KeptSchemaGenerator().get_schema(public=True))
    return cast(dict[str, Any], json.loads(rendered))


_inner = get_wsgi_application()


def _application(environ: Any, start_response: Any) -> Any:
    """The application, leaving the connection open on which the test's transaction runs."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    return _inner(environ, start_response)


@pytest.fixture(autouse=True)
def connections_close_again() -> Iterator[None]:
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


schema = schemathesis.openapi.from_dict(_document(), config=_config())
schema.app = _application


@pytest.fixture
def headers(world: None) -> dict[str, str]:
    """A key that may do everything, and records that the addresses can name."""
    make_sku("RARE", units=0)
    shop = Caller()
    shop.place(order_document("KNOWN-1"))
    dispatch_ready()
    shop.place(order_document("KNOWN-2", lines=[("RARE", 1, "1.00")]))
    _key, plain = create_key("fuzz", source="fuzz", scopes=list(SCOPES))
    return {"Authorization": f"Api-Key {plain}"}


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_document_names_every_address(client: Client) -> None:
    answer = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})

    assert answer.status_code == 200
    assert answer.json()["openapi"] == "3.1.1"
    assert set(answer.json()["paths"]) == set(schema.raw_schema["paths"]) >= EXPECTED


@schema.parametrize()
@bounded
def test_any_call_is_answered_as_described(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers, checks=CHECKS)


@schema.include(path_regex=r"\{number\}").parametrize()
@bounded
def test_calls_about_known_records_are_answered_as_described(
    case: Any, headers: dict[str, str]
) -> None:
    parcel = case.operation.path.startswith("/api/v1/shipments/")
    case.path_parameters["number"] = "KNOWN-1-1" if parcel else "KNOWN-1"
    case.call_and_validate(headers=headers, checks=CHECKS)
