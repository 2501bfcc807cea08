"""Saves what the rule form holds, or tells why not without losing what was typed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from rules.admin.rule_form import RuleEditor
from rules.errors import DocumentError, DocumentInvalid, NotPossible
from rules.facts import catalogue
from rules.lifecycle import open_draft, save_rule
from rules.models import Rule, RuleSet, RuleSetState
from rules.models.rulesets import Layer, OnMissing, RuleStatus
from rules.parsing import parse_rule
from rules.sentences import sentence_for_rule
from rules.storage import digest_of, rule_as_json

_LONGEST_KEY, _LONGEST_NAME = 64, 200


@dataclass(frozen=True, slots=True)
class Clash:
    """Somebody else was faster: their rule (None when it is gone), both in words, what differs.

    `differences` are (field, mine, theirs) for what the sentences do not say.
    """

    theirs: Rule | None
    my_sentence: str
    their_sentence: str
    differences: tuple[tuple[str, str, str], ...] = ()


def version_at_work() -> RuleSet | None:
    """The version whose rules a new rule joins: the draft, else the live one; None for neither."""
    states = (RuleSetState.DRAFT, RuleSetState.LIVE)
    found = {each.state: each for each in RuleSet.objects.filter(state__in=states)}
    return found.get(RuleSetState.DRAFT) or found.get(RuleSetState.LIVE)


def store(editor: RuleEditor, actor: str, was: str) -> Rule | Clash | None:
    """The rule stored in the draft, in place of the one of key `was` if that is given.

    None when the form must be shown again with its errors. After a clash the form, sent again
    as it is, knowingly replaces what the other person saved.
    """
    if not editor.is_valid():
        return None
    document, fields = editor.document(), editor.form.cleaned_data
    expected = fields["seen"] if was else ""
    try:
        # A draft that is opened only for a rule that cannot be saved is not left behind.
        with transaction.atomic():
            draft = open_draft(actor)
            return save_rule(
                draft, document, actor, replaces=was, expected=expected, note=fields["note"]
            )
    except DocumentInvalid as error:
        editor.show_errors(error.errors)
    except NotPossible as error:
        clash = _clash(editor, document, was, expected)
        if clash is not None:
            return clash
        editor.show_errors([DocumentError("", "not_possible", str(error))])
    return None


def copy_of(rule: Rule, taken: Collection[str]) -> dict[str, object]:
    """A rule to be saved beside the original, with a name and a key of its own."""
    suffix = _("%(name)s (copy)") % {"name": ""}
    raw = rule_as_json(rule)
    return raw | {
        "key": free_key(re.sub(r"-\d+\Z", "", rule.key), taken, first=2),
        "name": rule.name[: _LONGEST_NAME - len(suffix)] + suffix,
    }


def free_key(stem: str, taken: Collection[str], first: int = 1) -> str:
    """A key that no rule has: the stem and the lowest number."""
    number = first
    while (key := f"{stem[: _LONGEST_KEY - 7]}-{number}") in taken:
        number += 1
    return key


def spoken(raw: Mapping[str, Any]) -> str:
    """A rule in document form as a sentence; empty when it is not valid yet."""
    try:
        return sentence_for_rule(parse_rule(raw, catalogue))
    except DocumentInvalid:
        return ""


def _clash(editor: RuleEditor, document: dict[str, Any], was: str, expected: str) -> Clash | None:
    draft = RuleSet.objects.filter(state=RuleSetState.DRAFT).first() or version_at_work()
    theirs = Rule.objects.filter(ruleset=draft, key=was).first()
    if theirs is None:
        editor.set_origin("", "")
        return Clash(None, spoken(document), "")
    raw = rule_as_json(theirs)
    if digest_of(raw) == expected:
        return None
    editor.set_origin(was, digest_of(raw))
    return Clash(theirs, spoken(document), spoken(raw), _differences(document, raw))


def _differences(
    mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[tuple[str, str, str], ...]:
    words: dict[str, Mapping[str, Any]] = {
        "layer": dict(Layer.choices),
        "status": dict(RuleStatus.choices),
        "on_missing": dict(OnMissing.choices),
    }
    labels = RuleEditor.labels()

    def shown(raw: Mapping[str, Any], name: str) -> str:
        return str(words.get(name, {}).get(raw[name], raw[name]))

    return tuple(
        (labels[name], shown(mine, name), shown(theirs, name))
        for name in ("name", "key", "layer", "priority", "status", "on_missing")
        if mine[name] != theirs[name]
    )
