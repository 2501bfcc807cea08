"""`manage.py demo`: start everything, play a day of orders, report, and stay up or stop."""

import logging
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _
from rich.console import Console

from config.demo.running import DemoFailed, Options, run
from config.environment import text

WEB_PORT, STAND_INS_PORT = 8000, 8090


class Command(BaseCommand):
    help = "Play a day of real orders through the whole product, with everything running."
    # The database may hold no table yet; what it must hold is checked by the demo itself.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="report, then stop everything")
        parser.add_argument("--keep", action="store_true", help="go on with the last demo's data")
        parser.add_argument("--port", type=int, help=f"of the web server; {WEB_PORT} or above")
        parser.add_argument("--orders", type=int, help="how many of the sample; all if left out")
        parser.add_argument("--language", choices=["zh", "en"], help="LANG decides if left out")

    def handle(self, *args: Any, **given: Any) -> None:
        language = given["language"] or ("en" if text("LANG").startswith("en") else "zh")
        options = Options(
            is_once=given["once"],
            keeps_data=given["keep"],
            web_port=given["port"],
            orders=given["orders"],
            preferred_web_port=WEB_PORT,
            preferred_stand_ins_port=STAND_INS_PORT,
        )
        # The story is told by the demo itself; the processes keep their logs in files.
        logging.getLogger().setLevel(logging.WARNING)
        # A terminal decides the width; elsewhere, in a log, the tables keep theirs.
        width = None if os.isatty(1) else 100
        with translation.override("zh-hans" if language == "zh" else "en"):
            if settings.PRODUCTION:
                raise CommandError(_("The demo does not run in production."))
            try:
                run(options, Console(width=width, highlight=False), Path(settings.DATA_DIR))
            except DemoFailed as failed:
                raise CommandError(str(failed)) from None
