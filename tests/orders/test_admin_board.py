"""The quarantine board through the admin's door: what it shows, who wins, what follows."""

import json
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from changefeed.models import Change
from orders.lifecycle.holds import claim_hold, hold_order
from orders.models import Hold, Order, StopRequest, TimelineEntry
from orders.status import HoldState, OrderState
from rules.models import Rule
from tests.factories import make_user
from tests.orders.desk import clean_order, held_order, person

pytestmark = pytest.mark.django_db
BOARD = "/admin/orders/hold/"


@pytest.fixture(autouse=True)
def english() -> None:
    translation.activate("en")


@pytest.fixture
def supervisor(world: None) -> Client:
    _user, client = person("supervisor", username="alice")
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def colleague(world: None) -> Client:
    _user, client = person("supervisor", username="bob")
    client.cookies["django_language"] = "en"
    return client


def act(client: Client, hold: Hold, name: str, **data: str):
    """One act of the board as its script posts it."""
    url = reverse(f"admin:orders_hold_{name}", args=(hold.pk,))
    return client.post(url, data, headers={"Accept": "application/json"})


# --- reading -----------------------------------------------------------------------------------


def test_holds_stand_in_the_order_of_their_time_left(supervisor):
    later, sooner = held_order("LATER-1"), held_order("SOONER-1")
    Hold.objects.filter(pk=sooner.pk).update(due_at=timezone.now() + timedelta(minutes=5))

    text = supervisor.get(BOARD).content.decode()

    assert text.index("SOONER-1") < text.index("LATER-1")
    assert "5 min left" in text or "4 min left" in text
    assert later.pk != sooner.pk


def test_row_says_why_with_the_values_that_matched(supervisor):
    held_order("WHY-1")

    text = supervisor.get(BOARD).content.decode()

    assert "新疆 + 满299减100" in text
    assert "新疆维吾尔自治区" in text
    assert "三个月内 47 起虚假发货投诉" in text
    assert '<span class="desk-risk is-high">High risk</span>' in text


def test_names_phones_and_streets_are_masked(supervisor):
    hold = held_order(
        ship_to={"name": "林婷婷", "phone": "+8613912345678", "street": "解放北路 18 号 3 单元"}
    )

    board = supervisor.get(BOARD).content.decode()
    page = supervisor.get(reverse("admin:orders_hold_change", args=(hold.pk,))).content.decode()

    for text in (board, page):
        assert "林**" in text
        assert "139****5678" in text
        assert "13912345678" not in text
        assert "林婷婷" not in text
        assert "3 单元" not in text


def test_tabs_count_their_holds(supervisor):
    one, two, _three = held_order(), held_order(), held_order()
    Hold.objects.filter(pk=one.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    Hold.objects.filter(pk=two.pk).update(risk="low")
    act(supervisor, two, "claim")

    counts = supervisor.get(f"{BOARD}poll/").json()["counts"]

    assert counts == {
        "open": 3,
        "overdue": 1,
        "high": 2,
        "mine": 1,
        "short": 0,
        "correction": 0,
        "resolved": 0,
    }


def test_search_finds_by_number_customer_and_phone(supervisor):
    hold = held_order("FIND-ME-1", customer={"external_id": "C-77", "phone": "+8613912345678"})
    held_order("OTHER-1")

    for text in ("FIND-ME-1", "find-me", "C-77", "139 1234 5678"):
        page = supervisor.get(BOARD, {"q": text, "part": "rows"}).json()["html"]
        assert "FIND-ME-1" in page, text
        assert "OTHER-1" not in page, text
    assert (
        "FIND-ME-1"
        not in supervisor.get(BOARD, {"q": "139****5678", "part": "rows"}).json()["html"]
    )
    assert hold.order.number == "FIND-ME-1"


def test_filters_by_cause_and_channel(supervisor):
    held_order("RULE-1")
    order = clean_order("HAND-1", channel="tmall")
    hold_order(order.pk, actor=_actor("carol"), reason="asked to wait")

    by_cause = supervisor.get(BOARD, {"cause": "manual", "part": "rows"}).json()["html"]
    by_channel = supervisor.get(BOARD, {"channel": "douyin", "part": "rows"}).json()["html"]

    assert "HAND-1" in by_cause
    assert "RULE-1" not in by_cause
    assert "RULE-1" in by_channel
    assert "HAND-1" not in by_channel


def test_second_page_begins_where_the_first_ended(supervisor, monkeypatch):
    monkeypatch.setattr("orders.admin.board.rows.PAGE", 2)
    numbers = [held_order(f"PAGE-{index}").order.number for index in range(5)]
    Hold.objects.update(due_at=timezone.now())

    seen, after = [], ""
    for _page in range(3):
        answer = supervisor.get(BOARD, {"part": "rows", "after": after}).json()
        seen += [number for number in numbers if number in answer["html"]]
        after = answer["after"]

    assert seen == numbers
    assert after == ""


def test_nonsense_cursor_shows_the_first_page(supervisor):
    held_order("FIRST-1")

    for after in ("x", "20261122", "20261122-", "-1", "99999999999999999999-1", "' OR 1"):
        page = supervisor.get(BOARD, {"part": "rows", "after": after}).json()
        assert "FIRST-1" in page["html"], after


def test_poll_names_new_holds_and_what_became_of_watched_ones(supervisor, colleague):
    first = held_order()
    newest = first.pk
    held_order()
    act(colleague, first, "release", reason="fine")

    answer = supervisor.get(f"{BOARD}poll/", {"newest": newest, "ids": f"{first.pk},x"}).json()

    assert answer["new"] == 1
    row = answer["rows"][str(first.pk)]
    assert row["state"] == "released"
    assert row["outcome"].startswith("Released · bob at ")


def test_queries_do_not_grow_with_the_number_of_holds(supervisor, django_assert_num_queries):
    def measure(url: str, **params: str) -> int:
        from django.test.utils import CaptureQueriesContext

        supervisor.get(url, params)
        with CaptureQueriesContext(connection) as queries:
            assert supervisor.get(url, params).status_code == 200
        return len(queries)

    first = held_order()
    page = reverse("admin:orders_hold_change", args=(first.pk,))
    few = [measure(BOARD), measure(f"{BOARD}poll/"), measure(page, part="pane")]
    for _index in range(12):
        held_order()

    assert [measure(BOARD), measure(f"{BOARD}poll/"), measure(page, part="pane")] == few
    assert few[0] <= 28
    assert few[1] <= 9
    assert few[2] <= 20


def test_empty_board_teaches_what_it_is_for(supervisor):
    assert "No order is held right now." in supervisor.get(BOARD).content.decode()


# --- deciding ----------------------------------------------------------------------------------


def test_release_dispatches_and_says_where_to(supervisor):
    hold = held_order("GO-1")

    answer = act(supervisor, hold, "release", quick="Confirmed with the customer").json()

    order = Order.objects.get(number="GO-1")
    hold.refresh_from_db()
    assert answer["ok"] is True
    assert answer["message"].startswith("Released. Order GO-1 is dispatched to EAST-1")
    assert answer["again"] == "stop"
    assert answer["row"]["state"] == "released"
    assert order.state == OrderState.DISPATCHED
    assert hold.resolution == "Confirmed with the customer"
    assert hold.resolved_by == "user:alice"
    assert Change.objects.filter(
        kind="hold.released", subject_id="GO-1", actor="user:alice"
    ).exists()


def test_typed_reason_wins_over_the_quick_one(supervisor):
    hold = held_order()

    act(supervisor, hold, "release", reason=" called her ", quick="False alarm")

    hold.refresh_from_db()
    assert hold.resolution == "called her"


def test_release_without_a_reason_is_refused(supervisor):
    hold = held_order()

    response = act(supervisor, hold, "release", reason="  ")

    hold.refresh_from_db()
    assert response.status_code == 422
    assert response.json() | {"row": None} == {
        "ok": False,
        "message": "Give a reason.",
        "code": "reason_missing",
        "again": "",
        "row": None,
    }
    assert hold.state == HoldState.OPEN


def test_upholding_names_what_follows_and_cancels(supervisor):
    hold = held_order("STOP-1")

    answer = act(supervisor, hold, "uphold", follow_up="cancel", reason="malicious").json()

    assert answer["message"] == (
        "Order STOP-1 is cancelled; its stock is free again and the refund requested."
    )
    assert Order.objects.get(number="STOP-1").state == OrderState.CANCELLED
    assert Change.objects.filter(kind="order.refund_requested", subject_id="STOP-1").exists()


def test_upholding_for_a_correction_keeps_the_order(supervisor):
    hold = held_order("WAIT-1")

    answer = act(supervisor, hold, "uphold", follow_up="correction", reason="address").json()

    assert answer["message"] == "Order WAIT-1 waits for a correction and is then screened again."
    assert Order.objects.get(number="WAIT-1").state == OrderState.ON_HOLD
    assert supervisor.get(f"{BOARD}poll/").json()["counts"]["correction"] == 1


@pytest.mark.parametrize("follow_up", ["", "ship", "CANCEL"])
def test_upholding_with_an_unknown_consequence_changes_nothing(supervisor, follow_up):
    hold = held_order()

    response = act(supervisor, hold, "uphold", follow_up=follow_up, reason="x")

    hold.refresh_from_db()
    assert response.status_code == 422
    assert hold.state == HoldState.OPEN


def test_repeating_a_release_is_harmless(supervisor):
    hold = held_order("TWICE-1")
    act(supervisor, hold, "release", reason="fine")
    before = Change.objects.count()

    again = act(supervisor, hold, "release", reason="fine")

    assert again.status_code == 200
    assert again.json()["ok"] is True
    assert Change.objects.count() == before
    assert Order.objects.get(number="TWICE-1").shipments.count() == 1


def test_loser_reads_who_was_first_and_when(supervisor, colleague):
    hold = held_order()
    act(colleague, hold, "release", reason="fine")
    hold.refresh_from_db()

    response = act(supervisor, hold, "release", reason="fine too")

    at = timezone.localtime(hold.resolved_at).strftime("%H:%M:%S")
    assert response.status_code == 409
    assert response.json()["message"] == f"bob was first: Released at {at}."
    hold.refresh_from_db()
    assert hold.resolution == "fine"


def test_author_of_the_rule_may_not_release_alone(supervisor, settings):
    hold = held_order()
    alice = hold_author(hold, "alice")

    page = supervisor.get(reverse("admin:orders_hold_change", args=(hold.pk,))).content.decode()
    response = act(supervisor, hold, "release", reason="mine")

    hold.refresh_from_db()
    assert "You wrote this rule, so somebody else has to release what it held." in page
    assert response.status_code == 403
    assert hold.state == HoldState.OPEN

    settings.AUTHOR_MAY_RELEASE = True
    assert act(supervisor, hold, "release", reason="mine").status_code == 200
    assert alice.username == "alice"


def hold_author(hold: Hold, username: str):
    """Make a person the author of the rule behind a hold."""
    from django.contrib.auth.models import User

    user = User.objects.get(username=username)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Rule.objects.filter(ruleset__version=hold.ruleset_version or 0, key=hold.rule_key).update(
            author=user
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    return user


# --- claiming ----------------------------------------------------------------------------------


def test_claim_is_shown_to_the_others_and_renewed(supervisor, colleague):
    hold = held_order()

    first = act(supervisor, hold, "claim").json()
    refused = act(colleague, hold, "claim")
    renewed = act(supervisor, hold, "claim").json()

    assert first["ok"]
    assert first["row"]["mine"]
    assert refused.status_code == 409
    assert refused.json()["message"].startswith("alice is working on it until ")
    assert renewed["ok"]
    assert "alice until " in colleague.get(BOARD).content.decode()


def test_hold_claimed_by_another_is_not_decided(supervisor, colleague):
    hold = held_order()
    act(supervisor, hold, "claim")

    release = act(colleague, hold, "release", reason="fine")
    uphold = act(colleague, hold, "uphold", follow_up="cancel", reason="no")

    hold.refresh_from_db()
    assert (release.status_code, uphold.status_code) == (409, 409)
    assert hold.state == HoldState.OPEN


def test_expired_claim_stops_nobody(supervisor, colleague):
    hold = held_order()
    act(supervisor, hold, "claim")
    Hold.objects.filter(pk=hold.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))

    assert act(colleague, hold, "release", reason="fine").status_code == 200


def test_claim_can_be_given_back(supervisor, colleague):
    hold = held_order()
    act(supervisor, hold, "claim")

    assert act(supervisor, hold, "unclaim").json()["row"]["claim"] == ""
    assert act(colleague, hold, "claim").status_code == 200


# --- many at once ------------------------------------------------------------------------------


def release_many(client: Client, holds: list[Hold], **data: str):
    url = reverse("admin:orders_hold_release_many")
    body = {"hold": [hold.pk for hold in holds], "reason": "sale approved", **data}
    return client.post(url, body, headers={"Accept": "application/json"})


def test_bulk_release_answers_per_row_and_logs_each_order(supervisor, colleague):
    free, claimed, done = held_order("A-1"), held_order("B-1"), held_order("C-1")
    claim_hold(claimed.pk, user=make_user("supervisor", username="dora"))
    act(colleague, done, "release", reason="before")

    answer = release_many(supervisor, [free, claimed, done]).json()

    by_number = {one["number"]: one for one in answer["results"]}
    assert answer["ok"] is False
    assert by_number["A-1"]["ok"] is True
    assert by_number["B-1"]["message"].startswith("dora is working on it until ")
    assert by_number["C-1"]["message"].startswith("bob was first: Released at ")
    claimed.refresh_from_db()
    assert claimed.state == HoldState.OPEN
    entries = TimelineEntry.objects.filter(act="hold_released", reason="sale approved")
    assert [entry.order.number for entry in entries] == ["A-1"]


def test_failures_stay_selected_without_a_script(supervisor, colleague):
    free, done = held_order("A-1"), held_order("B-1")
    claim_hold(done.pk, user=make_user("supervisor", username="dora"))

    response = supervisor.post(
        reverse("admin:orders_hold_release_many"),
        {"hold": [free.pk, done.pk], "reason": "fine", "view": "high"},
        follow=True,
    )

    text = response.content.decode()
    assert "1 released." in text
    assert "B-1: dora is working on it until " in text
    assert response.redirect_chain[0][0] == f"{BOARD}?view=high&failed={done.pk}"
    box = text[text.index(f'value="{done.pk}"') :]
    assert box.index("checked") < box.index(">")


@pytest.mark.parametrize(
    ("holds", "reason", "message"),
    [
        ([], "fine", "Select at least one hold first."),
        (["1"], "", "Give a reason."),
        ([str(key) for key in range(1, 202)], "fine", "Select at most 200 holds at once."),
    ],
)
def test_bulk_release_refuses_an_impossible_selection(supervisor, holds, reason, message):
    response = supervisor.post(
        reverse("admin:orders_hold_release_many"),
        {"hold": holds, "reason": reason},
        headers={"Accept": "application/json"},
    )

    assert response.status_code == 422
    assert response.json() == {"ok": False, "message": message}


def test_bulk_release_of_unknown_holds_names_them(supervisor):
    answer = release_many(supervisor, [Hold(pk=987654)]).json()

    assert answer["results"] == [
        {
            "id": 987654,
            "number": "",
            "ok": False,
            "message": "There is no such record.",
            "row": None,
        }
    ]


# --- without a script --------------------------------------------------------------------------


def test_plain_form_leads_to_the_next_hold_of_the_view(supervisor):
    first, second = held_order("ONE-1"), held_order("TWO-1")
    Hold.objects.filter(pk=first.pk).update(due_at=timezone.now())

    response = supervisor.post(
        reverse("admin:orders_hold_release", args=(first.pk,)),
        {"reason": "fine", "view": "high", "cause": "rule:xinjiang-coupon"},
        follow=True,
    )

    url, _status = response.redirect_chain[0]
    assert url == f"{BOARD}{second.pk}/change/?view=high&cause=rule%3Axinjiang-coupon"
    assert "Released. Order ONE-1 is dispatched" in response.content.decode()


def test_last_hold_of_a_view_leads_back_to_the_board(supervisor):
    hold = held_order()

    response = supervisor.post(
        reverse("admin:orders_hold_release", args=(hold.pk,)), {"reason": "fine"}
    )

    assert response.headers["Location"] == f"{BOARD}?view=open"


def test_hold_page_has_every_button_of_the_board(supervisor):
    hold = held_order()

    text = supervisor.get(reverse("admin:orders_hold_change", args=(hold.pk,))).content.decode()

    for name in ("release", "uphold", "claim", "note", "reveal"):
        assert f'action="{reverse(f"admin:orders_hold_{name}", args=(hold.pk,))}"' in text


# --- holding again, notes, personal data -------------------------------------------------------


def test_holding_again_asks_the_warehouse_to_stop(supervisor):
    hold = held_order("BACK-1")
    act(supervisor, hold, "release", reason="fine")

    answer = act(supervisor, hold, "hold_again", reason="wrong button").json()

    assert answer["message"] == (
        "The warehouse was asked to stop order BACK-1; its answer will show here."
    )
    request = StopRequest.objects.get(order__number="BACK-1")
    assert (request.purpose, request.reason) == ("hold", "wrong button")
    assert act(supervisor, hold, "hold_again", reason="again").status_code == 409


def test_note_reaches_the_timeline(supervisor):
    hold = held_order()

    act(supervisor, hold, "note", reason="rang twice, no answer")

    entry = TimelineEntry.objects.get(act="noted")
    assert (entry.reason, entry.actor) == ("rang twice, no answer", "user:alice")


def test_revealing_is_recorded_before_anything_is_shown(supervisor):
    hold = held_order(ship_to={"phone": "+8613912345678"})

    response = supervisor.post(
        reverse("admin:orders_hold_reveal", args=(hold.pk,)), {"part": "pane"}
    )

    assert "13912345678" in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    entry = TimelineEntry.objects.get(act="revealed")
    assert (entry.order_id, entry.actor) == (hold.order_id, "user:alice")


# --- forged and foreign requests ---------------------------------------------------------------

ACTS = ["claim", "unclaim", "release", "uphold", "hold_again", "note", "reveal"]


def test_acts_need_a_post_and_its_token(supervisor):
    hold = held_order()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_user(is_superuser=True))
    before = Change.objects.count(), TimelineEntry.objects.count()

    urls = [reverse(f"admin:orders_hold_{name}", args=(hold.pk,)) for name in ACTS]
    for url in [*urls, reverse("admin:orders_hold_release_many")]:
        assert supervisor.get(url).status_code == 405, url
        body = {"reason": "x", "follow_up": "cancel", "hold": hold.pk}
        assert strict.post(url, body).status_code == 403, url
    assert (Change.objects.count(), TimelineEntry.objects.count()) == before


def test_ids_of_nothing_are_not_found(db):
    _user, client = person("supervisor")

    for name in ACTS:
        for key in ("0", "999999999", "abc", "1e3", "１", "99999999999999999999", "-1"):
            url = reverse(f"admin:orders_hold_{name}", args=(key,))
            response = client.post(url, {"reason": "x", "follow_up": "cancel"})
            assert response.status_code == 404, url


def test_foreign_next_address_is_ignored(supervisor):
    hold = held_order()

    response = supervisor.post(
        reverse("admin:orders_hold_release", args=(hold.pk,)),
        {"reason": "x", "view": "//evil.example", "next": "https://evil.example"},
    )

    assert response.headers["Location"] == f"{BOARD}?view=open"


def _actor(name: str):
    from orders.actors import Actor

    return Actor(f"user:{name}")


# --- two at once -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_supervisors_press_at_once_and_one_wins(world):
    hold = held_order("RACE-1")
    clients = [person("supervisor", username=name)[1] for name in ("alice", "bob")]
    start, answers = Barrier(2), {}

    def press(index: int) -> None:
        try:
            client = clients[index]
            client.cookies["django_language"] = "en"
            start.wait(10)
            response = act(client, hold, "release", reason=f"reason {index}")
            answers[index] = (response.status_code, json.loads(response.content)["message"])
        finally:
            connection.close()

    threads = [Thread(target=press, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    hold.refresh_from_db()
    order = Order.objects.get(number="RACE-1")
    winner = 0 if hold.resolved_by == "user:alice" else 1
    name = ("alice", "bob")[winner]
    at = timezone.localtime(hold.resolved_at).strftime("%H:%M:%S")
    assert answers[winner][0] == 200
    assert answers[1 - winner] == (409, f"{name} was first: Released at {at}.")
    assert hold.resolution == f"reason {winner}"
    assert order.shipments.count() == 1
    assert Change.objects.filter(kind="hold.released", subject_id="RACE-1").count() == 1
