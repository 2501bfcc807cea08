"""One run of the demo from the first process to the last: who is started, and how it all ends."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Value
from django.db.models.functions import Replace
from django.utils.translation import gettext as _
from rich.console import Console

from changefeed.models import Endpoint
from config import embedded
from config.demo import checks, children, database, loading, report
from config.demo.children import Addresses
from config.demo.figures import gather
from config.demo.play import play
from config.demo.quiet import NotQuiet
from config.demo.stage import Stage
from config.demo.story import tell
from config.demo.welcome import stay, welcome
from config.processes import AlreadyRunning, Processes, ProcessFailed, free_port

_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    is_once: bool
    keeps_data: bool
    web_port: int | None
    orders: int | None
    preferred_web_port: int
    preferred_stand_ins_port: int


def run(options: Options, console: Console, data_dir: Path) -> None:
    """Run the demo; returns when it was stopped, or, once, when every number agreed.

    Raises DemoFailed, in every case with all processes stopped.
    """
    began = monotonic()
    with _honest_ends(), Processes(data_dir) as processes:
        try:
            addresses = _addresses(options)
            home = data_dir / "stand-ins"
            if options.keeps_data:
                _continue(processes, addresses, home)
            else:
                wrong = _begin_and_play(options, console, processes, addresses, home, began)
                if options.is_once:
                    if wrong:
                        raise DemoFailed("; ".join(wrong))
                    return
            welcome(console, addresses)
            with suppress(KeyboardInterrupt):
                stay(console, processes, settings.SMS_OUTBOX or Path(os.devnull))
        finally:
            console.print(_("Stopping everything."))
            processes.stop_all()
            _stop_servers(data_dir)


@contextmanager
def _honest_ends() -> Iterator[None]:
    """Every way to fail as a DemoFailed."""
    try:
        yield
    except AlreadyRunning as running:
        raise DemoFailed(
            _("A demo is running already, as process %(pid)d. Stop it first: make stop")
            % {"pid": running.pid}
        ) from None
    except (ProcessFailed, NotQuiet, database.NotOurs, embedded.EmbeddedServerError) as failed:
        raise DemoFailed(str(failed)) from failed
    except KeyboardInterrupt:
        raise DemoFailed(_("Interrupted; everything is stopped.")) from None


def _begin_and_play(
    options: Options,
    console: Console,
    processes: Processes,
    addresses: Addresses,
    home: Path,
    began: float,
) -> list[str]:
    """Play on an empty database and report; the lines that do not agree."""
    stage = Stage(processes, addresses, console, home.parent / "demo", began)
    if database.make_ready():
        stage.say(_("Removed what the last demo left; to keep it: make demo ARGS=--keep"))
    made = loading.make_connections(addresses.stand_ins)
    loading.load_reference_data()
    loading.make_people()
    story = tell(options.orders)
    stage.say(_("Catalogue, customers, lists and rules are loaded"))
    children.write_stand_ins(home, addresses, made["secrets"], made["wms"])
    children.start_servers(processes, addresses, home)
    children.start_jobs(processes)
    stage.say(_("Web server, worker, beat and the stand-in systems are running"))
    played = play(stage, story, made["shops"])
    figures = gather(children.stand_ins_state(addresses), home)
    parts = checks.sections(played, figures)
    wrong = report.show(console, parts, figures.receivers, figures.parked)
    report.conclude(console, wrong, monotonic() - began)
    return wrong


def _continue(processes: Processes, addresses: Addresses, home: Path) -> None:
    """Start everything on what the last demo left."""
    if not (database.is_demo() and (home / "config.json").exists()):
        raise DemoFailed(_("There is no demo to go on with. Leave --keep out."))
    before = json.loads((home / "config.json").read_text())["port"]
    Endpoint.objects.filter(name__in=[name.upper() for name in loading.SYSTEMS]).update(
        url=Replace(F("url"), Value(f":{before}/"), Value(f":{addresses.stand_ins_port}/"))
    )
    children.move_stand_ins(home, addresses)
    children.start_servers(processes, addresses, home)
    children.start_jobs(processes)


def _addresses(options: Options) -> Addresses:
    try:
        if options.web_port is not None:
            web = free_port(options.web_port, tries=1)
        else:
            web = free_port(options.preferred_web_port)
        return Addresses(web, free_port(max(options.preferred_stand_ins_port, web + 1)))
    except OSError as error:
        raise DemoFailed(str(error)) from None


def _stop_servers(data_dir: Path) -> None:
    """Stop the embedded servers, unless somebody else is using the database."""
    with suppress(DatabaseError, embedded.EmbeddedServerError):
        with connection.cursor() as cursor:
            cursor.execute(_OTHERS)
            others = cursor.fetchone()[0]
        connection.close()
        if others:
            return
        if settings.EMBEDDED_BROKER:
            embedded.stop_redis(data_dir)
        if settings.EMBEDDED_DATABASE:
            embedded.stop_postgres(data_dir)
