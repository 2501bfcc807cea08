"""Worker and beat are killed (signal 9) in the middle of a drain: nothing is lost, all in order."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from changefeed.lifecycle import add_endpoint
from changefeed.models import Change, Endpoint, FeedLane
from config import embedded
from config.demo.children import call
from config.demo.standins.receipts import lines_of
from config.embedded.servers import wait_until
from config.processes import Processes, free_port
from orders.actors import SYSTEM
from orders.lifecycle.changing import change_order
from orders.lifecycle.placing import Outcome, place_orders
from orders.models import Order
from rules.starting import load_starter
from tests.factories import make_world, order_document

CELERY = [sys.executable, "-m", "celery", "--app", "config"]
AT_ONCE = 8
# Lanes that a dispatcher may have claimed, and so may send again, when it dies.
MOST_IN_HAND = 4 * AT_ONCE
# So slow that the drain is under way for several seconds.
ANSWER_SECONDS = 0.15

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    """Supervised processes with a broker of their own; gone before the database is emptied."""
    try:
        with Processes(tmp_path, grace_seconds=5) as running:
            yield running
    finally:
        embedded.stop_redis(tmp_path)


def test_everything_arrives_once_and_in_order(processes: Processes, tmp_path: Path) -> None:
    port = start_receiver(processes, tmp_path)
    make_world()
    load_starter("system")
    start_jobs(processes, tmp_path)
    numbers = [number for batch in range(8) for number in take_in(batch)]

    assert wait_until(lambda: figures(port)["distinct"] >= 60, 40)
    processes.kill("worker")
    processes.kill("beat")
    before = figures(port)["distinct"]
    assert FeedLane.objects.count() > 20
    numbers += take_in(8)
    for number in numbers[-10:]:
        change_order(number, version=1, fields={"invoice_title": "余杭贸易公司"}, actor=SYSTEM)
    call(port, "POST", "/control/wms", {"delay_seconds": 0})
    processes.restart("worker")
    processes.restart("beat")

    assert wait_until(is_quiet, 60), left_over()
    processes.check()
    state = figures(port)
    assert state["distinct"] > before
    assert (state["disordered"], state["altered"], state["forged"]) == ([], [], 0)
    assert len(subjects_repeated(tmp_path)) <= MOST_IN_HAND
    assert firsts(tmp_path) == committed()
    assert set(firsts(tmp_path)["order"]) == set(numbers)
    assert Order.objects.filter(state="dispatched").count() == len(numbers)


def start_receiver(processes: Processes, home: Path) -> int:
    """A warehouse system that verifies, keeps and acknowledges, as a process; its port."""
    port = free_port(18190)
    endpoint = Endpoint(name="WMS", url=f"http://127.0.0.1:{port}/wms/feed", concurrency=AT_ONCE)
    secrets = {"wms": add_endpoint(endpoint, actor="system")}
    (home / "config.json").write_text(json.dumps({"port": port, "secrets": secrets, "api": None}))
    processes.start("receiver", [sys.executable, "-m", "config.demo.standins", str(home)])
    processes.wait_until("receiver", lambda: is_up(port))
    call(port, "POST", "/control/wms", {"delay_seconds": ANSWER_SECONDS})
    return port


def start_jobs(processes: Processes, home: Path) -> None:
    redis = embedded.start_redis(home)
    env = {
        "DATABASE_URL": database_url(),
        "BROKER_URL": redis.broker_url,
        "CACHE_URL": redis.cache_url,
        "SLUICE_FEED_LEASE_SECONDS": "12",
    }
    worker = [*CELERY, "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    processes.start("worker", worker, env=env)
    processes.start("beat", [*CELERY, "beat", "--loglevel", "WARNING"], env=env)


def database_url() -> str:
    """The test database, as another process reaches it."""
    settings = connection.settings_dict
    user, password = quote(settings["USER"]), quote(settings["PASSWORD"])
    where = f"host={quote(settings['HOST'], safe='')}&port={settings['PORT']}"
    return f"postgresql://{user}:{password}@/{settings['NAME']}?{where}"


def take_in(batch: int) -> list[str]:
    """Ten ordinary paid orders."""
    documents = [order_document(f"K-{batch:02d}{n}") for n in range(10)]
    placed = place_orders(documents, actor=SYSTEM)
    assert [one.outcome for one in placed] == [Outcome.CREATED] * 10
    return [one.number for one in placed]


def is_up(port: int) -> bool:
    try:
        return call(port, "GET", "/state")[0] == 200
    except OSError:
        return False


def figures(port: int) -> dict[str, Any]:
    return dict(json.loads(call(port, "GET", "/state")[1])["wms"])


def is_quiet() -> bool:
    return not (left_over()[0] or left_over()[1])


def left_over() -> tuple[int, int]:
    """Orders still to be dispatched, subjects still to be delivered."""
    return Order.objects.awaiting_dispatch(timezone.now()).count(), FeedLane.objects.count()


def firsts(home: Path) -> dict[str, dict[str, list[tuple[int, str]]]]:
    """What arrived, repeats left out, by kind and subject: (version, id) in order of arrival."""
    found: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines_of(home / "wms.jsonl"):
        if message := line.get("message"):
            subject = message["data"]["subject"]
            found[subject["kind"]][subject["id"]].append((subject["version"], line["id"]))
    return found


def subjects_repeated(home: Path) -> set[str]:
    """Subjects of which something came more than once."""
    subjects: dict[str, str] = {}
    repeated = set()
    for line in lines_of(home / "wms.jsonl"):
        if message := line.get("message"):
            subjects[line["id"]] = message["data"]["subject"]["id"]
        else:
            repeated.add(subjects[line["id"]])
    return repeated


def committed() -> dict[str, dict[str, list[tuple[int, str]]]]:
    """What the log of changes holds, in the same form."""
    found: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    for change in Change.objects.order_by("seq"):
        entry = (change.subject_version, str(change.event_id))
        found[change.subject_kind][change.subject_id].append(entry)
    return found
