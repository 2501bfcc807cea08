"""The servers under test: PostgreSQL and Redis of their own, and a fresh database per run.

`Stage.open()` sets the environment before anything imports Django's settings.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from config import embedded
from config.embedded.homes import known_home

ROOT = Path(__file__).absolute().parents[2]
LEASE_SECONDS = 6
TEMPLATE = "chaos_template"

_numbers = count(1)


@dataclass(slots=True)
class Stage:
    """Servers in a temporary directory; the directory goes with them."""

    home: Path
    url: str
    broker_url: str
    cache_url: str

    @classmethod
    def open(cls) -> "Stage":
        """Start both servers; PostgreSQL as durable as in production, for it will be killed."""
        home = Path(tempfile.mkdtemp(prefix="sluice-chaos-"))
        try:
            url = embedded.start_postgres(home)
            redis = embedded.start_redis(home)
        except BaseException:
            cls(home, "", "", "").close()
            raise
        stage = cls(home, url, redis.broker_url, redis.cache_url)
        # What goes wrong on purpose would fill the screen with warnings.
        os.environ.update(stage.environment("sluice") | {"SLUICE_LOG_LEVEL": "ERROR"})
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        return stage

    def close(self) -> None:
        """Stop both servers and remove what they kept."""
        with suppress(embedded.EmbeddedServerError):
            embedded.stop_redis(self.home)
        with suppress(embedded.EmbeddedServerError):
            embedded.stop_postgres(self.home)
        embedded.remove_data(self.home)
        shutil.rmtree(self.home, ignore_errors=True)

    def last_words(self) -> str:
        """The end of PostgreSQL's log."""
        log = known_home(self.home) / "server.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else "no log"

    # -- databases ------------------------------------------------------------------------------

    def database_url(self, name: str) -> str:
        return self.url.replace("/sluice?", f"/{name}?")

    def environment(self, name: str) -> dict[str, str]:
        """Settings of every process that works on the named database."""
        return {
            "DATABASE_URL": self.database_url(name),
            "BROKER_URL": self.broker_url,
            "CACHE_URL": self.cache_url,
            "SLUICE_DATA_DIR": str(self.home),
            "SLUICE_FEED_LEASE_SECONDS": str(LEASE_SECONDS),
            "SLUICE_FEED_ALLOW_PRIVATE_ADDRESSES": "1",
            "SLUICE_LOG_LEVEL": "WARNING",
        }

    def make_template(self) -> None:
        """Migrate an empty database and fill it with what every run starts from."""
        self._execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        environment = {**os.environ, **self.environment(TEMPLATE)}
        for command in (
            ["manage.py", "migrate", "--verbosity", "0"],
            ["-m", "tests.chaos.prepare"],
        ):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True)

    def fresh_database(self) -> str:
        """The name of a new copy of the template."""
        name = f"chaos_{next(_numbers)}"
        self._execute(
            "postgres",
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            ),
        )
        return name

    def drop_database(self, name: str) -> None:
        self._execute(
            "postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )

    def connect(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        """An autocommit connection."""
        return psycopg.connect(self.database_url(name), autocommit=True)

    def _execute(self, name: str, statement: sql.Composed) -> None:
        with self.connect(name) as connection:
            connection.execute(statement)

    # -- what nemeses do to them ----------------------------------------------------------------

    def restart_postgres(self, *, crash: bool) -> None:
        """Stop PostgreSQL, in good order or by killing its main process, and start it again."""
        if crash:
            pid = int((known_home(self.home) / "postmaster.pid").read_text().split()[0])
            children = psutil.Process(pid).children(recursive=True)
            psutil.Process(pid).kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, timeout=10)
        else:
            embedded.stop_postgres(self.home)
        embedded.start_postgres(self.home)

    def restart_redis(self, *, down_seconds: float) -> None:
        """Stop Redis, wait, start it again."""
        embedded.stop_redis(self.home)
        time.sleep(down_seconds)
        embedded.start_redis(self.home)
