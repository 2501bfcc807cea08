"""The analysis of a rule set with the lists as they are stored, at the time of the database."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from changefeed.clock import database_now
from rules import live
from rules.analysis import Report, check
from rules.document import Document
from rules.facts import catalogue
from rules.lifecycle.common import known_lists
from rules.parsing import parse_document

BUDGET_SECONDS = 20.0
TYPING_SECONDS = 2.0
"""While somebody types, an answer that takes longer is no answer."""
NO_SUCH_RULE = _("There is no rule “%(key)s” among them.")


def check_document(raw: object, focus: str = "", *, include_shadow: bool = False) -> Report:
    """What is wrong with the rules of a document, or with the one rule of that key.

    `raw` is a Document or what a file says. Raises DocumentInvalid for a document that
    cannot be taken, and LookupError when it has no rule of the key `focus`.
    """
    document = raw if isinstance(raw, Document) else parse_document(raw, catalogue, known_lists())
    if focus and all(rule.key != focus for rule in document.rules):
        raise LookupError(str(NO_SUCH_RULE) % {"key": focus})
    return check(
        document,
        live.load_lists(document),
        at=database_now(),
        catalogue=catalogue,
        focus=focus,
        include_shadow=include_shadow,
        budget_seconds=TYPING_SECONDS if focus else BUDGET_SECONDS,
    )
