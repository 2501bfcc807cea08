"""`manage.py rules`: rule sets from and to files, at the terminal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import import_document, publish
from rules.management import backtesting, checking
from rules.models import RuleSet, RuleSetState
from rules.parsing import load_json
from rules.starting import load_starter
from rules.storage import ruleset_as_json


class Command(BaseCommand):
    """Import, export, check, backtest, list, or load the starter rules."""

    help = "Import, export, check and backtest rule sets in the document form of docs/rules.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        reading = acts.add_parser("import", help="replace the draft by the rules of a file")
        reading.add_argument("file", help="a JSON file, or - for standard input")
        reading.add_argument("--publish", action="store_true", help="put them in force at once")
        reading.add_argument("--note", default="", help="why, kept with the version")
        writing = acts.add_parser("export", help="write a version in document form")
        writing.add_argument("file", nargs="?", default="-", help="default: standard output")
        writing.add_argument("--version", dest="number", type=int, help="default: the live one")
        checking.add_arguments(acts.add_parser("check", help="prove what collides in a rule set"))
        backtesting.add_arguments(acts.add_parser("backtest", help="try rules on past orders"))
        acts.add_parser("list", help="list the versions")
        acts.add_parser("starter", help="load the shipped rules where there are none")

    def handle(self, *args: Any, **options: Any) -> None:
        act = {
            "import": self._import,
            "export": self._export,
            "check": self._check,
            "backtest": self._backtest,
            "list": self._list,
            "starter": self._starter,
        }[options["act"]]
        act(options)

    def _import(self, options: dict[str, Any]) -> None:
        try:
            document = load_json(_read(options["file"]))
            draft = import_document(document, "system", note=options["note"])
            if options["publish"]:
                publish(draft, "system", options["note"])
        except DocumentInvalid as error:
            for mistake in error.errors:
                self.stderr.write(f"{mistake.path or '.'}: {mistake.message} [{mistake.code}]")
            count = len(error.errors)
            raise CommandError(
                _("Nothing was imported; errors: %(count)d.") % {"count": count}
            ) from None
        except NotPossible as error:
            raise CommandError(str(error)) from None
        draft.refresh_from_db()
        self.stdout.write(f"v{draft.version} {draft.state} {draft.rules.count()}")

    def _export(self, options: dict[str, Any]) -> None:
        number = options["number"]
        chosen = RuleSet.objects.filter(
            **({"version": number} if number is not None else {"state": RuleSetState.LIVE})
        ).first()
        if chosen is None:
            raise CommandError(_("There is no such version."))
        text = json.dumps(ruleset_as_json(chosen), ensure_ascii=False, indent=2) + "\n"
        if options["file"] == "-":
            self.stdout.write(text, ending="")
        else:
            Path(options["file"]).write_text(text, encoding="utf-8")

    def _check(self, options: dict[str, Any]) -> None:
        checking.check_rules(options, _read, self.stdout, self.stderr)

    def _backtest(self, options: dict[str, Any]) -> None:
        backtesting.backtest_rules(options, _read, self.stdout, self.stderr)

    def _list(self, options: dict[str, Any]) -> None:
        for ruleset in RuleSet.objects.all():
            published = f"{ruleset.published_at:%Y-%m-%d %H:%M}" if ruleset.published_at else "-"
            count = len(ruleset_as_json(ruleset)["rules"])  # type: ignore[arg-type]
            self.stdout.write(
                f"v{ruleset.version}\t{ruleset.state}\t{count}\t{published}\t"
                f"{ruleset.published_by or ruleset.created_by}\t{ruleset.note}"
            )

    def _starter(self, options: dict[str, Any]) -> None:
        ruleset = load_starter("system")
        self.stdout.write(
            f"v{ruleset.version} {ruleset.state} {ruleset.rules.count()}"
            if ruleset
            else _("Rules are already there; nothing changed.")
        )


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
