"""What load balancers and Prometheus read."""

import pytest
from django.test import Client

from orders.actors import Actor
from orders.lifecycle.placing import place_order
from tests.factories import order_document


def test_alive_needs_no_database(client: Client):
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_names_what_does_not_answer(client: Client, monkeypatch: pytest.MonkeyPatch):
    assert client.get("/readyz").json() == {"status": "ok"}

    def broken(*args: object, **kwargs: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("config.health.cache.set", broken)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "failed": ["cache"]},
    )


def test_metrics_count_and_name_nobody(world: None, client: Client):
    shop = Actor("key:shop", "shop")
    place_order(order_document("M-1"), actor=shop)
    place_order(order_document("M-2", lines=[("TEA-1", 5000, "1.00")]), actor=shop)

    text = client.get("/metrics").content.decode()

    assert 'sluice_orders{state="ready"} 1.0' in text
    assert 'sluice_orders{state="on_hold"} 1.0' in text
    assert 'sluice_open_holds{owner="stock"} 1.0' in text
    assert "sluice_overdue_holds 0.0" in text
    assert "138" not in text
    assert "林" not in text
