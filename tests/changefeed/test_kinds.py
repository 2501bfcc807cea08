"""The catalogue of kinds: sound when it is built, and what it says about words of a filter."""

import io
import json
import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from changefeed import filtering, kinds
from changefeed.kinds import Example, Kind, Unknown

DOCS = Path(__file__).resolve().parents[2] / "docs" / "events.md"


@pytest.fixture
def empty_catalogue(monkeypatch):
    for name in ("_kinds", "_labels", "_ranks", "_ids"):
        monkeypatch.setattr(kinds, name, {})


def kind(name, *examples, **given):
    return Kind(name, "order", "label", "when", examples or (Example(),), **given)


@pytest.mark.usefixtures("empty_catalogue")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (kind("toy.sold"), "registered twice"),
        (kind("Toy.Sold"), "is not a name"),
        (kind("toy"), "is not a name"),
        (kind("toy.sold.twice"), "is not a name"),
        (kind("game.sold"), "has no label"),
        (kind("toy.lost", Example(new={1, 2})), "is not JSON"),
        (Kind("toy.lost", "toy", "label", "when", ()), "has no example"),
    ],
)
def test_a_faulty_registration_is_an_error_at_start(wrong, says):
    kinds.register([kind("toy.sold")], {"toy": "Toys"})

    with pytest.raises(ImproperlyConfigured, match=says):
        kinds.register([wrong], {})

    assert [one.name for one in kinds.known()] == ["toy.sold"]


@pytest.mark.usefixtures("empty_catalogue")
def test_families_are_listed_by_rank_and_then_as_registered():
    kinds.register([kind("b.x"), kind("c.x"), kind("b.y")], {"b": "B", "c": "C"}, rank=2)
    kinds.register([kind("a.x")], {"a": "A"}, rank=1)

    listed = [
        (one.wildcard, str(one.label), [k.name for k in one.kinds]) for one in kinds.families()
    ]

    assert listed == [("a.*", "A", ["a.x"]), ("b.*", "B", ["b.x", "b.y"]), ("c.*", "C", ["c.x"])]
    assert [one.name for one in kinds.known()] == ["a.x", "b.x", "b.y", "c.x"]


@pytest.mark.usefixtures("empty_catalogue")
def test_a_placeholder_stands_for_any_word_or_for_those_there_are():
    kinds.register(
        [
            kind("set.saved", Example("rules.{rule}", 1, 2), Example("rules.{rule}.status", 1, 2)),
            kind("set.caused", Example("{effect}", 1, 2), words=lambda: ["voucher"]),
        ],
        {"set": "Sets"},
    )

    unknown = [one.word for one in kinds.unknown_fields(["rules.a", "rules.b.status", "voucher"])]
    assert unknown == []
    found = kinds.unknown_fields(["rules", "rules.", "vouchers", ""])
    assert [one.word for one in found] == ["rules", "rules.", "vouchers", ""]
    assert kinds.known_fields() == ()


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("order.dispatchd", "order.dispatched"),
        ("Order.Held", "order.held"),
        ("order_held", "order.held"),
        ("order", "order.*"),
        ("order.", "order.*"),
        ("order*", "order.*"),
        ("orders.*", "order.*"),
        ("shippment.shipped", "shipment.shipped"),
        ("order.adress_changed", "order.address_changed"),
        ("*", ""),
        ("x.*", ""),
        ("order.held*", "order.held"),
        ("完全不同", ""),
    ],
)
def test_what_was_probably_meant_is_suggested(word, suggestion):
    assert kinds.unknown_kinds([word]) == [Unknown(word, suggestion)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("word", "suggestion"),
    [("shipto", "ship_to"), ("State", "state"), ("ship_to_city", "ship_to"), ("colour", "")],
)
def test_fields_are_suggested_too(word, suggestion):
    assert kinds.unknown_fields([word]) == [Unknown(word, suggestion)]


@pytest.mark.django_db
def test_every_word_of_the_catalogue_is_known():
    words = [one.name for one in kinds.known()] + [one.wildcard for one in kinds.families()]

    assert kinds.unknown_kinds(words) == []
    assert kinds.unknown_fields(kinds.known_fields()) == []
    assert kinds.unknown_subjects(kinds.known_subjects()) == []
    for one in kinds.known():
        assert kinds.can_match([one.name], [], [one.subject or "order"])
        for field in one.fields:
            assert "{" in field or not field or kinds.can_match([one.name], [field], [])


@given(st.text(max_size=40))
def test_any_text_is_answered(word):
    unknown = kinds.unknown_kinds([word])

    assert (not unknown) == bool(kinds.matching([word]))
    for one in unknown:
        assert not one.suggestion or kinds.matching([one.suggestion])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("chosen", "fields", "subjects", "passes"),
    [
        ([], [], [], True),
        (["order.*"], ["ship_to"], [], True),
        (["order.held"], ["ship_to"], [], False),
        (["order.held", "order.address_changed"], ["ship_to"], [], True),
        (["shipment.*"], [], ["customer"], False),
        (["shipment.*"], [], ["customer", "order"], True),
        (["lane.skipped"], [], ["customer"], True),
        (["lane.skipped"], ["state"], [], False),
        (["order.waiting"], ["state"], [], True),
        (["order.received"], ["state"], [], False),
        ([], ["contact"], ["order"], False),
        ([], ["no_such"], [], False),
    ],
)
def test_filters_that_nothing_can_pass_are_told_apart(chosen, fields, subjects, passes):
    assert kinds.can_match(chosen, fields, subjects) is passes


def test_sentences_name_the_word_and_what_was_meant():
    with translation.override("en"):
        assert filtering.kind_problems(["order.held", "order.dispatchd", "spaceship.*"]) == [
            "“order.dispatchd” is not a kind of change. Did you mean order.dispatched?",
            "“spaceship.*” is not a kind of change.",
        ]
        assert filtering.subject_problems(["orders"]) == [
            "“orders” is not a kind of subject. Did you mean order?"
        ]
        (shortened,) = filtering.kind_problems(["y" * 3000])
    assert shortened == f"“{'y' * 80}…” is not a kind of change."


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_kind_says_what_it_is(language):
    with translation.override(language):
        for one in kinds.known():
            assert str(one.label), one.name
            assert str(one.when), one.name
        labels = [(one.family, str(one.label)) for one in kinds.known()]
    assert len(set(labels)) == len(labels)


def printed(*arguments):
    out = io.StringIO()
    call_command("feedkinds", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_of_the_docs_is_what_the_command_prints(language):
    with translation.override(language):
        written = printed("--markdown")

    assert written == DOCS.read_text(), "write it anew: manage.py feedkinds --markdown"


def test_the_page_tells_every_kind_and_its_links_lead_somewhere():
    page = DOCS.read_text()
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)

    assert headings == [kind.name for kind in kinds.known()]
    anchors = {heading.replace(".", "") for heading in headings}
    assert set(re.findall(r"\(#(.*?)\)", page)) == anchors
    for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
        assert json.loads(block).keys() == {"field", "old", "new"}


def test_programs_get_the_catalogue_as_json():
    listed = json.loads(printed("--json"))

    assert [one["name"] for one in listed] == [kind.name for kind in kinds.known()]
    (held,) = [one for one in listed if one["name"] == "order.held"]
    assert held["subject"] == "order"
    assert held["examples"] == [{"field": "state", "old": "ready", "new": "on_hold"}]
    assert listed[-1]["subject"] is None


def test_people_get_a_list():
    lines = printed().splitlines()

    assert len(lines) == len(kinds.known())
    assert lines[2] == f"order.held\tstate\t{kinds.label_of('order.held')}"
    assert kinds.label_of("order.unheard_of") == ""
