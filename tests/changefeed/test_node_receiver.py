"""A receiver in Node, written against the published library and our docs, verifies all messages."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from changefeed.models import Change, FeedLane
from changefeed.signatures import new_secret
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent / "node"
LIBRARY = HERE / "node_modules" / "standardwebhooks"


@pytest.fixture(scope="module")
def library() -> None:
    """The npm package at its locked version; skipped where there is no Node or no registry."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node and npm are not installed")
    if not LIBRARY.exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("the npm registry does not answer")
        if done.returncode:
            pytest.skip(f"npm ci failed: {done.stderr.strip()[-200:]}")


@contextmanager
def node_receiver(secret: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Its port, and what it said; complete once the block has ended."""
    process = subprocess.Popen(
        ["node", str(HERE / "receiver.mjs"), secret], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said: list[dict[str, Any]] = []
    try:
        yield json.loads(process.stdout.readline())["port"], said
    finally:
        process.terminate()
        said += [json.loads(line) for line in process.stdout]
        process.wait(10)


def test_every_message_is_verified(library: None):
    secret = new_secret()
    with node_receiver(secret) as (port, said):
        make_endpoint(f"http://127.0.0.1:{port}/", secrets=[secret])
        changes(subjects=5, versions=4)
        change("订单-新疆", 1, new={"地址": "文一西路 969 号 \U0001f600", "amount": "2999.00"})
        assert drain_once() == 21

    assert [line["verified"] for line in said] == [True] * 21
    assert {line["id"] for line in said} == {str(one.event_id) for one in Change.objects.all()}
    odd = next(
        line["message"] for line in said if "订单" in line["message"]["data"]["subject"]["id"]
    )
    assert odd["data"]["new"] == {"地址": "文一西路 969 号 \U0001f600", "amount": "2999.00"}


def test_during_a_rotation_the_old_and_the_new_secret_verify(library: None):
    new, old = new_secret(), new_secret()
    for known in (new, old):
        with node_receiver(known) as (port, said):
            make_endpoint(f"http://127.0.0.1:{port}/", secrets=[new, old])
            change("O1", Change.objects.count() + 1)
            drain_once()
        assert said
        assert all(line["verified"] for line in said)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM changefeed_endpoint")


def test_a_forged_message_is_not_verified(library: None):
    with node_receiver(new_secret()) as (port, said):
        make_endpoint(f"http://127.0.0.1:{port}/", secrets=[new_secret()])
        change("O1")
        assert drain_once() == 0

    assert [line["verified"] for line in said] == [False]
    assert FeedLane.objects.get().state == "backoff"
