"""The funnel: every order of a day is somewhere, and the figures say where."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from rules import lifecycle
from rules.funnel import Bar, Funnel, Group, Name, Stage, funnel, outline
from rules.history import DayFlow, Standing
from rules.models import RuleSet
from tests.factories import make_user
from tests.rules.documents import document, parsed, rule
from tests.rules.figures import telling

PAGE = "admin:rules_funnel"
FLOWS = [
    DayFlow("intercept", 1000, {"small": 5, "big": 45}),
    DayFlow("allocate", 940, {"cold": 90, "route": 800}, "warehouse"),
    DayFlow("allocate", 940, {"cold": 940}, "lane"),
    DayFlow("tag", 940, {"vip": 94}),
    DayFlow("dispatch", 940, {"push": 940}),
]
PLACES = [Standing("gone", "gone", 700, "/gone/"), Standing("held", "held", 60, "/held/")]
RULES = parsed(
    rule("big"), rule("idle"), rule("off", status="disabled"), rule("vip", layer="tag")
).rules


def drawn() -> Funnel:
    return funnel(FLOWS, PLACES, RULES, {"big": Name("Big", "/big/")})


def test_the_first_layer_narrows_what_goes_on() -> None:
    first = drawn().stages[0]

    assert (first.entered, first.stopped, first.unscreened, first.passed) == (1000, 50, 10, 940)
    assert (first.wide, first.narrow) == (100.0, 94.0)
    assert first.groups == (
        Group(
            "",
            (
                Bar("big", "Big", "/big/", 45, 4.5, 100.0),
                Bar("small", "small", "", 5, 0.5, 11.1),
            ),
            0,
            0.0,
        ),
    )
    assert [bar.key for bar in first.idle] == ["idle"]


def test_each_slot_counts_by_itself_and_says_when_the_default_was_used() -> None:
    second = drawn().stages[1]

    assert [(group.slot, group.rest, group.rest_share) for group in second.groups] == [
        ("warehouse", 50, 5.3),
        ("lane", 0, 0.0),
    ]
    assert [bar.key for bar in second.groups[0].bars] == ["route", "cold"]
    assert second.unused_slots == ("packaging", "courier", "print_priority")


def test_nothing_is_lost_below() -> None:
    found = drawn()

    assert [(stage.layer, stage.entered, stage.passed) for stage in found.stages[1:]] == [
        ("allocate", 940, 940),
        ("tag", 940, 940),
        ("dispatch", 940, 940),
    ]
    assert [(place.key, share) for place, share in found.standing] == [
        ("gone", 70.0),
        ("held", 6.0),
    ]
    assert (found.total, found.gone) == (1000, 70.0)
    assert found.outlet == "M3.00,0 H97.00 L85.00,10 H15.00 Z"


def test_a_day_without_orders_divides_by_nothing() -> None:
    empty = funnel(
        [DayFlow(layer, 0, {}) for layer in ("intercept", "allocate", "tag", "dispatch")],
        [],
        (),
        {},
    )

    assert empty.total == 0
    assert [stage.wide for stage in empty.stages] == [0.0] * 4
    assert funnel([], [], (), {}).total == 0


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_every_order_is_stopped_unscreened_or_goes_on(held: int, failed: int, on: int) -> None:
    total = held + failed + on
    flows = [DayFlow("intercept", total, {"a": held}), DayFlow("allocate", on, {})]
    stage: Stage = funnel(flows, [], (), {}).stages[0]

    assert (stage.stopped, stage.unscreened, stage.passed) == (held, failed, on)
    assert 0 <= stage.narrow <= stage.wide <= 100


def test_the_shape_is_centred() -> None:
    assert outline(100, 50) == "M0.00,0 H100.00 L75.00,10 H25.00 Z"


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def live() -> RuleSet:
    made = lifecycle.import_document(
        document(
            rule("big", name="<b>Big</b>", when=WHEN),
            rule("idle", name="Idle rule", when=WHEN),
            rule("vip", name="VIP", layer="tag", when=WHEN),
        ),
        "system",
    )
    return lifecycle.publish(made, "system")


WHEN = [[{"fact": "order.urgent", "op": "is_true"}]]


def get(group: str = "supervisor", told: dict[str, Any] | None = None, **asked: str) -> Any:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group))
    with telling(**(told if told is not None else {"flows": FLOWS, "places": PLACES})) as history:
        response: Any = client.get(reverse(PAGE), asked)
    response.told = history
    return response


@pytest.mark.django_db
@pytest.mark.parametrize("group", ["supervisor", "operations", "agent"])
def test_the_page_tells_the_day_in_words(live: RuleSet, group: str) -> None:
    page = " ".join(get(group).content.decode().split())

    assert '<strong data-figure="total">1,000</strong>' in page
    assert '<strong data-figure="stopped">50</strong>' in page
    assert '<strong data-figure="passed">940</strong>' in page
    assert '<span class="fn-cases" data-figure="warehouse:rest">50</span>' in page
    assert "10 orders are held because screening could not finish." in page
    assert "1 rule in force did nothing" in page
    assert "&lt;b&gt;Big&lt;/b&gt;" in page
    assert "<b>Big" not in page
    big = live.rules.get(key="big")
    assert f'<a href="{reverse("admin:rules_rule_change", args=[big.pk])}">' in page
    assert 'data-figure="now:gone">700</strong>' in page


@pytest.mark.django_db
def test_a_day_is_chosen_and_no_day_to_come(live: RuleSet) -> None:
    chosen = get(day="2026-06-18")
    today = chosen.context["today"]

    assert chosen.told.asked == [date(2026, 6, 18)]
    page = chosen.content.decode()
    assert "?day=2026-06-17" in page
    assert "?day=2026-06-19" in page
    assert "data-seconds" not in page
    for nonsense in ("2999-01-01", "tomorrow", "", "2026-13-40"):
        shown = get(day=nonsense)
        assert shown.told.asked == [today]
        assert 'data-seconds="30"' in shown.content.decode()
        assert 'rel="next"' not in shown.content.decode()
    assert get(day="0001-01-01").status_code == 200


@pytest.mark.django_db
def test_the_middle_is_fetched_alone(live: RuleSet) -> None:
    part = get(part="1").content.decode()

    assert "<html" not in part
    assert 'data-figure="total"' in part
    assert "data-as-of" in part


@pytest.mark.django_db
def test_an_empty_day_says_so() -> None:
    page = get(told={}).content.decode()

    assert "No order was screened on this day." in page
    assert "fn-stages" not in page


@pytest.mark.django_db
def test_many_who_look_are_served_by_one_reading(live: RuleSet) -> None:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user("agent"))
    with telling(flows=FLOWS, places=PLACES) as history:
        for _time in range(3):
            client.get(reverse(PAGE), {"part": "1"})

    assert len(history.asked) == 1


@pytest.mark.django_db
def test_rules_of_earlier_versions_keep_their_names(live: RuleSet) -> None:
    draft = lifecycle.open_draft("system")
    lifecycle.delete_rule(draft, "big", "system")
    lifecycle.publish(draft, "system")

    page = get().content.decode()

    assert "&lt;b&gt;Big&lt;/b&gt;" in page
    assert ">small" in page.replace("\n", "").replace(" ", "")


@pytest.mark.django_db
def test_the_menu_marks_the_funnel_and_not_the_list_above_it(live: RuleSet) -> None:
    groups = get().context["sidebar_navigation"]

    active = [item["title"] for group in groups for item in group["items"] if item["active"]]
    assert [str(title) for title in active] == ["Funnel"]


@pytest.mark.django_db
def test_orders_go_through_the_whole_page(world: None) -> None:
    from rules.admin import funnel as page
    from rules.performance import forget
    from tests.orders.acting import held, placed

    forget()
    page.forget()
    placed("A")
    held("B")
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user("supervisor"))

    shown = client.get(reverse(PAGE)).context["funnel"]

    assert (shown.total, shown.stages[0].stopped, shown.stages[0].passed) == (2, 1, 1)
    assert {place.key: place.cases for place, _share in shown.standing} == {
        "gone": 0,
        "waiting": 1,
        "held": 1,
        "cancelled": 0,
    }
