"""The client of docs/erp.md, run as it stands there: twenty lines, nothing lost, nothing twice."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from changefeed.keys import create_key
from changefeed.models import Change, PullCursor
from tests.changefeed.rows import change, changes

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = Path(__file__).resolve().parents[2] / "docs"


def client_of(page):
    (found,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return found


def without_comments(text):
    return re.sub(r"  # .*", "", text)


class Erp:
    """An ERP with books of its own that runs the client."""

    def __init__(self, tmp_path, url):
        self.script = tmp_path / "erp.py"
        self.script.write_text(client_of("erp.md"))
        self.books = tmp_path / "erp.db"
        _key, plain = create_key("ERP", source="erp", scopes=["feed:read"])
        self.env = {**os.environ, "SLUICE_URL": url, "SLUICE_KEY": plain, "BOOKS": str(self.books)}

    def begin(self):
        return subprocess.Popen(
            [sys.executable, str(self.script)], env=self.env, stderr=subprocess.PIPE, text=True
        )

    def run(self):
        job = self.begin()
        _out, errors = job.communicate(timeout=60)
        assert job.returncode == 0, errors

    def entries(self):
        """(subject, version) as booked, in order of booking."""
        with sqlite3.connect(self.books) as books:
            rows = books.execute("SELECT body FROM entry ORDER BY rowid").fetchall()
        subjects = [json.loads(body)["subject"] for (body,) in rows]
        return [(one["id"], one["version"]) for one in subjects]


@pytest.fixture
def erp(tmp_path, live_server):
    return Erp(tmp_path, live_server.url)


def test_it_has_twenty_lines_and_is_the_same_in_both_languages():
    client = client_of("erp.md")
    assert len(client.splitlines()) == 20
    assert without_comments(client) == without_comments(client_of("erp.zh-CN.md"))


def test_run_after_run_it_books_what_happened_since(erp):
    erp.run()
    assert erp.entries() == []

    changes(subjects=300, versions=2)
    erp.run()
    assert erp.entries() == [(f"O{n}", version) for version in (1, 2) for n in range(300)]

    erp.run()
    change("O7", 3)
    erp.run()
    assert len(erp.entries()) == 601
    assert erp.entries()[-1] == ("O7", 3)
    assert PullCursor.objects.get().after_seq == Change.objects.latest("seq").seq


def test_two_jobs_at_once_book_everything_once(erp):
    changes(subjects=400, versions=3)
    jobs = [erp.begin(), erp.begin()]
    for job in jobs:
        job.communicate(timeout=60)
    erp.run()

    assert sorted(erp.entries()) == sorted((f"O{n}", v) for v in (1, 2, 3) for n in range(400))


def test_a_job_that_is_killed_is_made_good_by_the_next(erp):
    changes(subjects=400, versions=3)
    job = erp.begin()
    while job.poll() is None and not PullCursor.objects.exists():
        connection.close()
    job.kill()
    job.communicate()
    erp.run()

    assert sorted(erp.entries()) == sorted((f"O{n}", v) for v in (1, 2, 3) for n in range(400))
