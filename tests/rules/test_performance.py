"""How well rules do: thirty days of the shop, verdicts with their interval, and the alarm."""

from datetime import UTC, date, datetime, timedelta

import pytest

from rules.estimates import share
from rules.figures import (
    ago,
    alarm_mark,
    daily_hits,
    interval,
    interval_plot,
    number,
    percent,
    span,
)
from rules.history import DayFlow, Judgement, RuleActivity
from rules.performance import RulePerformance, alarm_of, measure, performance
from tests.rules.figures import telling

NOW = datetime(2026, 11, 11, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("released", "judged", "alarm"),
    [
        (0, 0, ""),
        (0, 40, ""),
        (5, 100, ""),
        (6, 100, "low"),
        (1, 10, "low"),
        (1, 1, "high"),
        (10, 100, "high"),
        (50, 1000, ""),
        (70, 1000, "high"),
    ],
)
def test_the_alarm_says_how_sure_it_is(released: int, judged: int, alarm: str) -> None:
    assert alarm_of(share(released, judged)) == alarm


def test_a_month_of_the_shop_ends_today() -> None:
    today = date(2026, 11, 11)
    acted = [
        RuleActivity("a", 7, 2, NOW, {today: 4, today - timedelta(days=29): 3}),
        RuleActivity("old", last_at=NOW - timedelta(days=90)),
    ]
    judged = [Judgement("a", 1, 9, timedelta(minutes=5)), Judgement("b", 3, 0)]
    flows = [DayFlow("intercept", 200, {"a": 4, "b": 6})]

    with telling(acted=acted, judged=judged, flows=flows) as told:
        found = measure(NOW)

    assert told.asked == [
        (datetime(2026, 10, 12, 16, tzinfo=UTC), NOW + timedelta(seconds=1)),
        today,
    ]
    assert found.of("a") == RulePerformance(
        "a", 7, 2, (3, *[0] * 28, 4), NOW, share(9, 10), share(1, 10), timedelta(minutes=5)
    )
    assert found.of("unheard") == RulePerformance("unheard")
    assert (found.false_blocks, found.held_today) == (share(4, 13), share(10, 200))
    assert sorted(found.alarming) == ["a", "b"]
    assert found.fired == ["a"]


@pytest.mark.django_db
def test_what_was_counted_a_moment_ago_is_shown_again() -> None:
    with telling() as told:
        assert performance() is performance()

    assert len(told.asked) == 2


def test_figures_are_written_the_same_everywhere() -> None:
    assert (number(0), number(26419), percent(0.0512), percent(0.05, 0)) == (
        "0",
        "26,419",
        "5.1%",
        "5%",
    )
    assert interval(share(2, 19)) == "2.9–31.4%"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1, minutes=23), "1 h 23 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=45, hours=3), "45 days"),
    ],
)
def test_lengths_of_time_in_words(length: timedelta, said: str) -> None:
    assert span(length) == said


def test_when_something_was_with_the_exact_time_on_hover() -> None:
    shown = ago(NOW - timedelta(hours=2), NOW)

    assert "2026-11-11 10:00:00" in shown
    assert ">2 h 0 min ago<" in shown
    assert ">just now<" in ago(NOW, NOW)
    assert ">in 3 days<" in ago(NOW + timedelta(days=3), NOW)


def test_any_hit_is_seen_in_the_plot() -> None:
    drawn = daily_hits([0, 1, 1000, 0])

    assert drawn.count("<rect") == 2
    assert '<rect x="4" y="22" width="3" height="2"/>' in drawn
    assert '<rect x="8" y="0" width="3" height="24"/>' in drawn
    assert daily_hits([0, 0]) == ""


def test_the_interval_is_drawn_with_its_target() -> None:
    drawn = interval_plot(share(1, 20), 0.05)

    assert '<rect class="is-interval" x="0.9" y="1" width="22.7" height="6"/>' in drawn
    assert '<rect class="is-target" x="5.0" width="1" height="8"/>' in drawn
    assert interval_plot(share(0, 0), 0.05) == ""


def test_the_alarm_is_a_word_and_an_icon_never_colour_alone() -> None:
    assert "warning</span> above 5%</span>" in alarm_mark("low")
    assert "error</span> clearly above 5%</span>" in alarm_mark("high")
    assert alarm_mark("") == ""
