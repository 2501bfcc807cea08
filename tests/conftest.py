"""Fixtures that every part of the suite may use."""

import pytest

from orders.actors import Actor
from tests.factories import make_world


@pytest.fixture
def world(db: None) -> None:
    """Reference data and the starter rule set, published."""
    from django.core.management import call_command

    make_world()
    call_command("rules", "starter")


@pytest.fixture
def wms() -> Actor:
    """The actor of an API key bound to the source `shop`."""
    return Actor("key:shop", "shop")
