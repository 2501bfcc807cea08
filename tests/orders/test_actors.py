"""Naming an actor: on every change of the transaction, and a drain asked for at its commit."""

import pytest
from django.db import transaction
from django.test import TestCase

from changefeed.models import Change
from orders import actors
from orders.actors import Actor
from orders.lifecycle.placing import place_order
from tests.factories import order_document


def test_every_act_asks_for_a_drain_when_it_commits(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(actors, "nudge", lambda: asked.append(True))

    with TestCase.captureOnCommitCallbacks(execute=True):
        place_order(order_document("N-1"), actor=Actor("key:shop", "shop", event_id="e-1"))

    assert asked == [True]
    change = Change.objects.get(kind="order.received")
    assert (change.actor, change.source, change.source_event_id) == ("key:shop", "shop", "e-1")


@pytest.mark.django_db
def test_what_is_rolled_back_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(actors, "nudge", lambda: asked.append(True))

    with TestCase.captureOnCommitCallbacks(execute=True):
        try:
            with transaction.atomic():
                Actor("system").begin()
                raise RuntimeError
        except RuntimeError:
            pass

    assert asked == []
