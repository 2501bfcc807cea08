"""Fixtures that every part of the suite may use."""

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from orders.actors import Actor
from rules import labels, live
from rules.lifecycle.common import rows_open_for
from rules.models import (
    ConditionRow,
    ListEntry,
    ReferenceList,
    Rule,
    RuleAction,
    RuleSet,
)
from tests.factories import make_world

# How long an example takes says something about the machine, not about the code.
hypothesis_settings.register_profile("sluice", deadline=None)
hypothesis_settings.load_profile("sluice")


@pytest.fixture(autouse=True)
def no_rules_from_before() -> None:
    """Every test looks for the live rules itself; a process keeps them, and labels, for a while."""
    live.forget()
    labels.forget_labels()


@pytest.fixture(autouse=True)
def patient_screening(settings: Settings) -> None:
    """A loaded machine is no slow database: only tests of the budget hold orders for lateness."""
    settings.SCREENING_BUDGET_MS = 20_000


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hashing a password properly takes longer than most tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


_starter: list[list[Model]] = []
"""The rows of the published starter rules, from the first test of this process that needed them."""


@pytest.fixture
def world(db: None) -> None:
    """Reference data and the starter rule set, published."""
    make_world()
    if not _starter:
        call_command("rules", "starter")
        tables = (RuleSet, Rule, ConditionRow, RuleAction, ReferenceList, ListEntry)
        _starter.extend(list(table._default_manager.order_by("pk")) for table in tables)
        return
    versions, *others = _starter
    with transaction.atomic():
        RuleSet.objects.bulk_create(versions)
        with rows_open_for(versions[0]):  # type: ignore[arg-type]
            for rows in others:
                type(rows[0])._default_manager.bulk_create(rows)


@pytest.fixture
def wms() -> Actor:
    """The actor of an API key bound to the source `shop`."""
    return Actor("key:shop", "shop")
