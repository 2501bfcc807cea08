"""A backtest from the asking to the result: acts, worker, API, command line and admin."""

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from changefeed.keys import create_key
from rules import history, lifecycle
from rules.errors import DocumentInvalid, NotPossible
from rules.facts import facts_as_json
from rules.history import Case, Record, Verdict
from rules.lifecycle import backtests
from rules.lifecycle.backtests import cancel_backtest, request_backtest
from rules.models import BacktestRun, BacktestState, RuleSet
from rules.tasks import run_backtest
from tests.factories import make_user
from tests.rules.documents import document, row, rule

START = datetime(2024, 6, 1, tzinfo=UTC)
END = START + timedelta(days=30)


class Past:
    """A history of orders worth n × 100 yuan, one an hour; the dearest were judged."""

    def __init__(self, count: int = 10) -> None:
        self.amounts_of = {n: Decimal(n * 100) for n in range(count)}
        self.between = lambda: None
        self.batch = 4

    def count(self, since: datetime, until: datetime) -> int:
        return len([n for n in self.amounts_of if since <= self.at(n) < until])

    def at(self, n: int) -> datetime:
        return START + timedelta(hours=n)

    def stream(self, since: datetime, until: datetime) -> Iterator[list[Record]]:
        found = [
            Record(n, self.at(n), json.dumps(facts_as_json({"order.grand_total": amount})).encode())
            for n, amount in self.amounts_of.items()
            if since <= self.at(n) < until
        ]
        for start in range(0, len(found), self.batch):
            self.between()
            yield found[start : start + self.batch]

    def amounts(self, ids: Any) -> dict[int, Decimal]:
        return {n: self.amounts_of[n] for n in ids}

    def verdicts(self, since: datetime, until: datetime) -> Iterator[Verdict]:
        yield Verdict(8, "big", True, START, START)
        yield Verdict(9, "big", False, START, START)

    def cases(self, ids: Any) -> list[Case]:
        return [Case(n, f"O-{n}", self.at(n), {}, self.amounts_of[n], f"/o/{n}/") for n in ids]


@pytest.fixture
def past(monkeypatch) -> Past:
    made = Past()
    monkeypatch.setattr(history, "_source", made)
    return made


def big(amount: int) -> dict[str, Any]:
    return rule("big", name="大额", when=[[row("order.grand_total", "gte", amount)]])


@pytest.fixture
def versions(db: None) -> tuple[RuleSet, RuleSet]:
    """A live version that holds from 800 yuan, and a draft that holds from 500."""
    live = lifecycle.publish(lifecycle.import_document(document(big(800)), "system"), "system")
    return live, lifecycle.import_document(document(big(500)), "user:ops")


def ask(actor: str = "user:ops", **changes: Any) -> BacktestRun:
    given: dict[str, Any] = {"since": START, "until": END, "version": 2, "queue": False}
    if "document" in changes:
        given["version"] = None
    return request_backtest(actor, **given | changes)


def run(run_id: int, **options: Any) -> Any:
    """What a worker does with it."""
    return backtests.run(run_id, **options)


# --- asking -------------------------------------------------------------------------------------


def test_a_draft_is_frozen_into_the_run_and_compared_with_the_live_version(past, versions):
    made = ask(title="lower")

    lifecycle.import_document(document(big(1)), "user:ops")
    made.refresh_from_db()
    assert (made.state, made.tried_version, made.base_version) == ("queued", 2, 1)
    assert made.document["rules"][0]["when"][0][0]["value"] == 500
    assert (made.total, made.done, made.requested_by) == (10, 0, "user:ops")


def test_the_task_is_sent_once_the_asking_is_committed(
    past, versions, monkeypatch, django_capture_on_commit_callbacks
):
    sent: list[int] = []
    monkeypatch.setattr(run_backtest, "delay", sent.append)

    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        made = ask(queue=True)
        assert sent == []

    assert len(callbacks) == 1
    assert sent == [made.pk]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"document": {"rules": [{}]}}, "rules[0].key", "missing_field"),
        ({"version": 9}, "version", "unknown_version"),
        ({"base": 9}, "base", "unknown_version"),
        ({"base": 2}, "base", "unknown_version"),
        ({"until": START}, "until", "reversed"),
        ({"until": START - timedelta(days=1)}, "until", "reversed"),
        ({"since": END, "until": END + timedelta(days=1)}, "since", "no_history"),
        ({"since": datetime(1, 1, 1, tzinfo=UTC), "until": START}, "since", "no_history"),
        ({"sweep": {"rule": "none", "group": 0, "row": 0}}, "sweep.rule", "unknown_rule"),
    ],
)
def test_what_cannot_be_run_is_refused_and_nothing_is_kept(past, versions, changes, path, code):
    with pytest.raises(DocumentInvalid) as refused:
        ask(**changes)

    assert (refused.value.errors[0].path, refused.value.errors[0].code) == (path, code)
    assert not BacktestRun.objects.exists()


def test_one_person_has_at_most_three_on_the_way(past, versions, monkeypatch):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    for _each in range(backtests.MOST_AT_ONCE):
        ask(queue=True)

    with pytest.raises(NotPossible):
        ask(queue=True)

    assert BacktestRun.objects.count() == 3
    ask("user:other", queue=True)
    cancel_backtest(BacktestRun.objects.filter(requested_by="user:ops").latest("pk").pk)
    ask(queue=True)


# --- running ------------------------------------------------------------------------------------


def test_a_run_keeps_what_would_go_otherwise(past, versions):
    done = run(ask(sweep={"rule": "big", "group": 0, "row": 0, "values": [500, 900]}).pk)

    assert done is not None
    assert (done.state, done.done, done.total, done.error) == ("done", 10, 10, "")
    assert done.finished_at >= done.started_at
    result = done.result
    assert result["held"] == {"base": 2, "tried": 5}
    newly = result["changed"]["newly_held"]
    assert (newly["count"], newly["amount"]) == (3, "1800")
    assert [(e["reference"], e["url"]) for e in newly["examples"]] == [
        ("O-5", "/o/5/"),
        ("O-6", "/o/6/"),
        ("O-7", "/o/7/"),
    ]
    assert [(p["value"], p["held"]) for p in result["sweep"]["points"]] == [("500", 5), ("900", 1)]
    assert result["sweep"]["points"][1]["false_block"]["whole"] == 1
    assert run(ask().pk).result == run(ask().pk).result


def test_only_the_period_counts(past, versions):
    done = run(ask(since=past.at(2), until=past.at(6)).pk)

    assert done.result["decisions"] == 4
    assert done.result["changed"]["newly_held"]["count"] == 1


def test_without_live_rules_everything_tried_is_new(past, db):
    done = run(ask(document=document(big(500))).pk)

    assert (done.base_version, done.tried_version) == (None, None)
    assert done.result["held"] == {"base": 0, "tried": 5}


def test_a_finished_run_is_not_done_again(past, versions):
    made = run(ask().pk)
    past.between = lambda: pytest.fail("read again")

    again = run(made.pk)

    assert (again.finished_at, again.result) == (made.finished_at, made.result)
    assert run(0) is None


def test_a_cancelled_run_stops_at_the_next_look_and_keeps_nothing(past, versions, monkeypatch):
    monkeypatch.setattr(backtests, "PROGRESS_SECONDS", 0)
    made = ask()
    told: list[int] = []

    def cancel_after_one() -> None:
        if told:
            BacktestRun.objects.filter(pk=made.pk).update(cancel_asked=True)

    past.between = cancel_after_one
    done = run(made.pk, progress=lambda count, _total: told.append(count))

    assert told == [4, 8]
    assert (done.state, done.result, done.done) == ("cancelled", None, 8)


def test_a_waiting_run_is_cancelled_at_once_and_then_not_begun(past, versions):
    made = ask()

    assert cancel_backtest(made.pk).state == "cancelled"
    assert cancel_backtest(made.pk).state == "cancelled"
    assert run(made.pk).result is None


def test_a_finished_run_cannot_be_cancelled(past, versions):
    made = run(ask().pk)

    with pytest.raises(NotPossible):
        cancel_backtest(made.pk)
    with pytest.raises(NotPossible):
        cancel_backtest(0)

    made.refresh_from_db()
    assert (made.state, made.cancel_asked) == ("done", False)


def test_a_failure_is_kept_in_words_for_people(past, versions):
    def fail() -> None:
        raise RuntimeError("secret detail")

    past.between = fail
    done = run(ask().pk)

    assert (done.state, done.result) == ("failed", None)
    assert done.error
    assert "secret" not in done.error


def test_rules_that_became_invalid_are_named(past, versions):
    made = ask()
    BacktestRun.objects.filter(pk=made.pk).update(document={"rules": [big(1) | {"layer": "gone"}]})

    done = run(made.pk)

    assert done.state == "failed"
    assert "gone" in done.error


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_a_run_once(past, versions):
    """Redelivered while the first is still at it, the second goes away and does not wait."""
    made = ask()
    inside, go_on = threading.Event(), threading.Event()
    reads: list[int] = []

    def wait() -> None:
        reads.append(1)
        inside.set()
        assert go_on.wait(20)

    past.between = wait
    first = threading.Thread(target=_run_and_close, args=(made.pk,))
    first.start()
    assert inside.wait(20)
    second = run(made.pk)
    cancelled_too_early = cancel_backtest(made.pk).state
    BacktestRun.objects.filter(pk=made.pk).update(cancel_asked=False)
    go_on.set()
    first.join(20)

    done: Any = BacktestRun.objects.get(pk=made.pk)
    assert second.state == "running"
    assert cancelled_too_early == "running"
    assert (done.state, done.result["decisions"], len(reads)) == ("done", 10, 3)


def _run_and_close(run_id: int) -> None:
    try:
        run_backtest(run_id)
    finally:
        connection.close()


def test_the_run_of_a_dead_worker_is_taken_over(past, versions):
    made = ask()
    BacktestRun.objects.filter(pk=made.pk).update(state=BacktestState.RUNNING, done=7)

    assert run(made.pk).state == "done"


def test_the_run_of_a_dead_worker_can_be_cancelled_and_does_not_count(past, versions, monkeypatch):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    made = [ask() for _each in range(backtests.MOST_AT_ONCE)]
    BacktestRun.objects.update(state=BacktestState.RUNNING)

    ask(queue=True)

    assert cancel_backtest(made[0].pk).state == "cancelled"


# --- over HTTP ----------------------------------------------------------------------------------


class Caller:
    """An API key and a client that sends it."""

    def __init__(self, name: str = "bi", *scopes: str) -> None:
        _key, plain = create_key(name, source=name, scopes=list(scopes or ("rules:read",)))
        self.client = Client(headers={"Authorization": f"Api-Key {plain}", "Accept-Language": "en"})

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(
            f"/api/v1/rules/backtest/{path}", body, content_type="application/json"
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/rules/backtest/{path}")


PERIOD = {"since": START.isoformat(), "until": END.isoformat()}


def test_a_caller_asks_waits_and_reads_the_result(past, versions, monkeypatch):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    caller = Caller()

    asked = caller.post("", PERIOD | {"rules": document(big(500)), "title": "lower"})

    assert asked.status_code == 202
    body = asked.json()
    assert asked["Location"] == body["links"]["self"] == f"/api/v1/rules/backtest/{body['id']}/"
    assert (body["state"], body["requested_by"], body["total"]) == ("queued", "key:bi", 10)
    assert caller.get(f"{body['id']}/").json()["result"] is None
    run(body["id"])
    done = caller.get(f"{body['id']}/").json()
    assert (done["state"], done["done"]) == ("done", 10)
    assert done["result"]["changed"]["newly_held"]["count"] == 3


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "since", "required"),
        (PERIOD, "rules", "either_or"),
        (PERIOD | {"rules": {"rules": []}, "version": 1}, "rules", "either_or"),
        (PERIOD | {"rules": {"rules": [{}]}}, "rules[0].key", "missing_field"),
        (PERIOD | {"version": 7}, "version", "unknown_version"),
        (PERIOD | {"version": 2, "since": "yesterday"}, "since", "bad_time"),
        (PERIOD | {"version": 2, "until": "2024-06-01T00:00:00"}, "until", "naive_time"),
        (PERIOD | {"version": 2, "until": START.isoformat()}, "until", "reversed"),
        (
            PERIOD | {"version": 2, "sweep": {"rule": "big", "group": 3, "row": 0}},
            "sweep.group",
            "out_of_range",
        ),
    ],
)
def test_a_bad_request_names_the_field(past, versions, body, field, code):
    response = Caller().post("", body)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    errors = [(error["field"], error["code"]) for error in response.json()["errors"]]
    assert (field, code) in errors
    assert not BacktestRun.objects.exists()


def test_too_many_at_once_and_a_finished_cancel_are_conflicts(past, versions, monkeypatch):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    monkeypatch.setattr(backtests, "MOST_AT_ONCE", 1)
    caller = Caller()
    made = caller.post("", PERIOD | {"version": 2}).json()["id"]

    assert caller.post("", PERIOD | {"version": 2}).status_code == 409
    assert BacktestRun.objects.count() == 1
    run(made)
    assert caller.post(f"{made}/cancel/").status_code == 409


def test_only_the_key_that_asked_may_cancel(past, versions, monkeypatch):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    caller = Caller()
    made = caller.post("", PERIOD | {"version": 2}).json()["id"]

    assert Caller("other").post(f"{made}/cancel/").status_code == 403
    assert BacktestRun.objects.get().state == "queued"
    assert caller.post(f"{made}/cancel/").json()["state"] == "cancelled"
    assert caller.get("0/").status_code == 404
    assert caller.post("99999999999999999999/cancel/").status_code == 404


def test_another_scope_opens_nothing(past, versions):
    other = Caller("wms", "orders:read")
    made = ask()

    assert other.post("", PERIOD | {"version": 2}).status_code == 403
    assert other.get(f"{made.pk}/").status_code == 403
    assert other.post(f"{made.pk}/cancel/").status_code == 403
    assert BacktestRun.objects.get().state == "queued"


# --- at the terminal ----------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rules", "backtest", "--since", "2024-06-01", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_answers_with_the_whole_result_as_json(past, versions):
    result = json.loads(command("--json", "--sweep", "big:0:0"))

    assert result["changed"]["newly_held"]["count"] == 3
    assert result["sweep"]["current"] == "500"
    assert BacktestRun.objects.get().requested_by == "system"


def test_the_command_takes_a_file_or_a_version_and_speaks(past, versions, tmp_path, settings):
    settings.LANGUAGE_CODE = "en"
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document(big(100))), encoding="utf-8")

    assert "7" in command(str(path), "--sweep", "big:0:0")
    assert "big" in command("--version", "2", "--base", "1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sweep", "big"),
        ("--sweep", "big:x:0"),
        ("--sweep", "none:0:0"),
        ("--until", "soon"),
        ("--version", "9"),
        ("--since", "2030-01-01"),
    ],
)
def test_the_command_refuses_what_cannot_be_run(past, versions, arguments):
    with pytest.raises(CommandError):
        command(*arguments)

    assert not BacktestRun.objects.exists()


def test_the_command_needs_a_draft_when_nothing_is_named(past, versions):
    lifecycle.discard_draft(versions[1], "system")

    with pytest.raises(CommandError):
        command()


# --- in the admin -------------------------------------------------------------------------------

ADD = "admin:rules_backtestrun_add"
PAGE = "admin:rules_backtestrun_change"
FORM = {"version": "2", "base": "1", "period": "own", "first_day": "2024-06-01"}
FORM |= {"last_day": "2024-06-30", "sweep": "", "values": "", "title": ""}


def as_(group: str) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group, username=group or "nobody"))
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize(
    ("group", "sees", "starts", "cancels"),
    [
        ("operations", 200, True, True),
        ("supervisor", 200, False, True),
        ("agent", 200, False, False),
        ("warehouse", 403, False, False),
        ("", 403, False, False),
    ],
)
def test_who_may_see_start_and_cancel(past, versions, monkeypatch, group, sees, starts, cancels):
    monkeypatch.setattr(run_backtest, "delay", lambda _id: None)
    made = ask("user:somebody")
    client = as_(group)

    assert client.get(reverse("admin:rules_backtestrun_changelist")).status_code == sees
    assert client.get(reverse(PAGE, args=[made.pk])).status_code == sees
    progress = client.get(reverse("admin:rules_backtestrun_progress", args=[made.pk]))
    assert progress.status_code == sees
    assert client.get(reverse(ADD)).status_code == (200 if starts else 403)
    assert client.post(reverse(ADD), FORM).status_code == (302 if starts else 403)
    assert BacktestRun.objects.count() == (2 if starts else 1)
    cancel = client.post(reverse("admin:rules_backtestrun_cancel", args=[made.pk]))
    assert cancel.status_code == (302 if cancels else 403)
    made.refresh_from_db()
    assert made.state == ("cancelled" if cancels else "queued")
    assert client.post(reverse(PAGE, args=[made.pk]), {"state": "done"}).status_code in (200, 403)
    assert client.post(reverse("admin:rules_backtestrun_delete", args=[made.pk])).status_code == 403
    made.refresh_from_db()
    assert made.state != "done"


def test_who_asked_may_cancel_even_without_publishing(past, versions, monkeypatch):
    made = ask("user:agent")

    response = as_("agent").post(reverse("admin:rules_backtestrun_cancel", args=[made.pk]))

    assert response.status_code == 302
    made.refresh_from_db()
    assert made.state == "cancelled"


def test_the_form_starts_the_draft_against_the_live_version(past, versions, monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr(run_backtest, "delay", sent.append)
    client = as_("operations")
    page = client.get(reverse(ADD) + "?rule=big")
    assert 'value="big:0:0:" selected' in " ".join(text(page).split())

    response = client.post(
        reverse(ADD), FORM | {"sweep": "big:0:0:", "values": "100，300, 500", "title": "try"}
    )

    made: Any = BacktestRun.objects.get()
    assert response["Location"] == reverse(PAGE, args=[made.pk])
    assert (made.tried_version, made.base_version, made.title) == (2, 1, "try")
    assert made.since == datetime(2024, 5, 31, 16, tzinfo=UTC)
    assert made.until == datetime(2024, 6, 30, 16, tzinfo=UTC)
    assert made.sweep["values"] == ["100", "300", "500"]


@pytest.mark.parametrize(
    "changes",
    [
        {"first_day": ""},
        {"last_day": "2024-05-01"},
        {"first_day": "2020-01-01", "last_day": "2020-01-02"},
        {"sweep": "other:0:0:"},
        {"sweep": "big:0:0:", "values": "many"},
        {"base": "7"},
        {"period": "1000"},
    ],
)
def test_a_form_that_cannot_be_run_says_why(past, versions, changes):
    response = as_("operations").post(reverse(ADD), FORM | changes)

    assert response.status_code == 200
    assert "errorlist" in text(response)
    assert not BacktestRun.objects.exists()


def test_a_draft_with_errors_cannot_be_tried(past, versions):
    versions[1].rules.get().rows.update(fact="gone")
    client = as_("operations")

    assert "contain an error" in text(client.get(reverse(ADD)))
    assert client.post(reverse(ADD), FORM).status_code == 200
    assert not BacktestRun.objects.exists()


def test_the_page_tells_the_result_in_words_and_tables(past, versions):
    made = run(ask(sweep={"rule": "big", "group": 0, "row": 0}, title="<b>lower</b>").pk)

    page = text(as_("agent").get(reverse(PAGE, args=[made.pk])))

    assert "Of 10 orders, 3 would be newly held (¥1,800)." in page
    assert "Held in all: 2 before, 5 with the rules tried." in page
    assert 'href="/o/5/"' in page
    assert "50.0%" in page
    assert "&lt;b&gt;lower&lt;/b&gt;" in page
    assert 'id="bt-sweep"' in page
    assert "data-progress" not in page


def test_the_page_of_a_running_backtest_shows_how_far_it_is(past, versions):
    made = ask("user:operations")
    BacktestRun.objects.filter(pk=made.pk).update(state="running", done=4)
    client = as_("operations")

    page = text(client.get(reverse(PAGE, args=[made.pk])))
    progress = client.get(reverse("admin:rules_backtestrun_progress", args=[made.pk])).json()

    assert 'value="40.0"' in page
    assert reverse("admin:rules_backtestrun_cancel", args=[made.pk]) in page
    assert (progress["share"], progress["text"], progress["is_over"]) == (40.0, "4 / 10", False)


def test_before_the_first_backtest_the_list_says_what_one_is(past, versions):
    url = reverse("admin:rules_backtestrun_changelist")

    assert reverse(ADD) in text(as_("operations").get(url))
    assert f'href="{reverse(ADD)}"' not in text(as_("agent").get(url))


def test_without_any_rules_the_start_page_says_where_to_begin(past, db):
    page = text(as_("operations").get(reverse(ADD)))

    assert "There are no rules to try yet." in page
    assert reverse("admin:rules_ruleset_changelist") in page
