"""List the kinds of change: for people, as the page of the docs, or as JSON for programs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation

from changefeed import kinds
from changefeed.kind_page import markdown_of


class Command(BaseCommand):
    help = "List the kinds of change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--markdown", action="store_true", help="the text of docs/events.md, in English"
        )
        form.add_argument("--json", action="store_true", help="every kind with its examples")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["markdown"]:
            with translation.override("en"):
                self.stdout.write(markdown_of(kinds.families()), ending="")
        elif options["json"]:
            self.stdout.write(_as_json())
        else:
            for kind in kinds.known():
                self.stdout.write("\t".join((kind.name, ",".join(kind.fields), str(kind.label))))


def _as_json() -> str:
    document = [
        {
            "name": kind.name,
            "subject": kind.subject or None,
            "label": str(kind.label),
            "when": str(kind.when),
            "examples": [
                {"field": one.field, "old": one.old, "new": one.new} for one in kind.examples
            ],
        }
        for kind in kinds.known()
    ]
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
