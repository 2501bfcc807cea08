"""Fixtures that every part of the suite may use."""

import pytest

from pytest_django import Settings

from orders.actors import Actor
from rules import live
from tests.factories import make_world


@pytest.fixture(autouse=True)
def no_rules_from_before() -> None:
    """Every test looks for the live rules itself; a process keeps them for a second."""
    live.forget()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hashing a password properly takes longer than most tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


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
