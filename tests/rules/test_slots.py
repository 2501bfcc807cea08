"""Slots know what they may hold, and say which values stand for nothing."""

import pytest

from rules.slots import register_slot_values, slot_options, unknown_slot_values
from tests.factories import make_world

pytestmark = pytest.mark.django_db


def test_warehouses_couriers_and_packagings_are_offered_by_code_and_name():
    make_world()

    assert slot_options("warehouse") == (
        ("COLD-1", "COLD-1"),
        ("EAST-1", "EAST-1"),
        ("SOUTH-1", "SOUTH-1"),
    )
    assert [code for code, _name in slot_options("courier")] == ["JD", "SF", "SF-COLD", "ZTO"]
    assert len(slot_options("packaging")) == 5
    assert slot_options("lane") == slot_options("print_priority") == ()


def test_values_that_stand_for_nothing_are_told():
    make_world()

    asked = frozenset({"EAST-1", "MOON-1"})

    assert unknown_slot_values("warehouse", asked) == {"MOON-1"}
    assert unknown_slot_values("lane", asked) == frozenset()


def test_only_slots_of_the_rules_are_registered():
    with pytest.raises(ValueError, match="no slot 'drawer'"):
        register_slot_values("drawer", lambda: ())
