"""Make, list and revoke API keys; a new key is printed once and never again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from changefeed.errors import KeyNameTaken, UnknownScope
from changefeed.keys import SCOPES, create_key, revoke_key
from changefeed.models import ApiKey


class Command(BaseCommand):
    help = "Make, list and revoke API keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        create = acts.add_parser("create", help="make a key and print it once")
        create.add_argument("--name", required=True, help="who holds it, for instance WMS")
        create.add_argument("--source", help="source system; the name in lower case if left out")
        create.add_argument("--scope", action="append", required=True, choices=SCOPES)
        create.add_argument(
            "--signed", action="store_true", help="writing calls must be signed; prints the secret"
        )
        acts.add_parser("list", help="names, scopes and last use; never the keys")
        revoke = acts.add_parser("revoke", help="end a key")
        revoke.add_argument("--name", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['act']}")(options)

    def _create(self, options: dict[str, Any]) -> None:
        name = options["name"]
        source = options["source"] or name.lower()
        try:
            key, plain = create_key(
                name, source=source, scopes=options["scope"], signed=options["signed"]
            )
        except KeyNameTaken:
            raise CommandError(_("A key named %(name)s exists.") % {"name": name}) from None
        except UnknownScope as error:
            raise CommandError(_("Unknown scope: %(scope)s") % {"scope": error}) from None
        self.stdout.write(plain)
        if key.signing_secret:
            self.stdout.write(key.signing_secret)

    def _list(self, options: dict[str, Any]) -> None:
        for key in ApiKey.objects.all():
            state = "revoked" if key.revoked_at else "live"
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "-"
            columns = (key.name, key.prefix, key.source, ",".join(key.scopes), state, used)
            self.stdout.write("\t".join(columns))

    def _revoke(self, options: dict[str, Any]) -> None:
        key = ApiKey.objects.filter(name=options["name"]).first()
        if key is None:
            raise CommandError(_("No key is named %(name)s.") % {"name": options["name"]})
        revoke_key(key)
