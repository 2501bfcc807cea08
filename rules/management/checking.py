"""`manage.py rules check`: the conflict report at the terminal."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import translation
from django.utils.translation import gettext as _

from rules.analysis import Finding, Report
from rules.analysis.wording import LEVEL_LABELS, sentence_for_finding
from rules.checking import check_document
from rules.document import Document
from rules.errors import DocumentInvalid
from rules.facts import catalogue
from rules.lifecycle import known_lists
from rules.models import RuleSet, RuleSetState
from rules.parsing import load_json, parse_document
from rules.storage import ruleset_as_json


def add_arguments(parser: ArgumentParser) -> None:
    """What `check` takes."""
    parser.add_argument("file", nargs="?", help="a JSON file, or - for standard input")
    parser.add_argument("--version", dest="number", type=int, help="default: the live one")
    parser.add_argument("--draft", action="store_true", help="the draft")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    parser.add_argument("--focus", default="", metavar="KEY", help="only what concerns one rule")
    parser.add_argument("--lang", default="", help="language of the sentences, such as en")


def check_rules(
    options: dict[str, Any], read: Callable[[str], bytes], out: OutputWrapper, err: OutputWrapper
) -> None:
    """Print the report. Raises CommandError, exit code 1, when a rule or the file is wrong."""
    with translation.override(options["lang"] or translation.get_language()):
        try:
            raw = load_json(read(options["file"])) if options["file"] else _stored(options)
            document = parse_document(raw, catalogue, known_lists())
            report = check_document(document, options["focus"])
        except DocumentInvalid as error:
            for mistake in error.errors:
                err.write(f"{mistake.path or '.'}: {mistake.message} [{mistake.code}]")
            raise CommandError(_("Errors: %(count)d.") % {"count": len(error.errors)}) from None
        except LookupError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            out.write(json.dumps(_as_json(report, document), ensure_ascii=False, indent=2))
        else:
            _print(report, document, out)
        if report.errors:
            raise CommandError(_("Errors: %(count)d.") % {"count": len(report.errors)})


def _stored(options: dict[str, Any]) -> object:
    number = options["number"]
    if number is not None:
        chosen = RuleSet.objects.filter(version=number).first()
    else:
        state = RuleSetState.DRAFT if options["draft"] else RuleSetState.LIVE
        chosen = RuleSet.objects.filter(state=state).order_by("-version").first()
    if chosen is None:
        raise CommandError(_("There is no such version."))
    return ruleset_as_json(chosen)


def _as_json(report: Report, document: Document) -> dict[str, object]:
    findings = [
        finding.as_json() | {"sentence": sentence_for_finding(finding, document)}
        for finding in report.findings
    ]
    return report.as_json() | {"findings": findings}


def _print(report: Report, document: Document, out: OutputWrapper) -> None:
    for finding in report.findings:
        out.write(
            f"[{LEVEL_LABELS[finding.level]}] {sentence_for_finding(finding, document)}"
            f" ({', '.join((finding.kind, *finding.rules))})"
        )
        if finding.witness is not None:
            out.write("    " + _("Proof: %(order)s") % {"order": _witness(finding)})
    if report.undecided:
        keys = ", ".join(report.undecided)
        out.write(_("Not settled in the time given: %(rules)s.") % {"rules": keys})
    out.write(
        _("Rules: %(rules)d. Findings: %(findings)d.")
        % {"rules": report.rules, "findings": len(report.findings)}
    )


def _witness(finding: Finding) -> str:
    order = {"facts": finding.witness, "at": finding.at.isoformat() if finding.at else None}
    return json.dumps(order, ensure_ascii=False)
