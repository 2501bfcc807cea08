"""What the rule form shows while somebody types: the answer to one request of its script."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rules.admin.rule_findings import findings_in_words
from rules.admin.rule_form import Place, RuleEditor
from rules.admin.rule_reach import figure, is_idle, reach_in_words
from rules.document import Document, Rule
from rules.facts import catalogue
from rules.lifecycle import known_lists
from rules.live import load_lists
from rules.models import Rule as StoredRule
from rules.models import RuleSet
from rules.preview import Lists, preview_rule, row_hits
from rules.problems import DocumentError
from rules.recent import recent_cases
from rules.sentences import sentence_for_rule
from rules.unfinished import Unfinished, read_unfinished


def preview_answer(editor: RuleEditor, ruleset: RuleSet | None) -> dict[str, Any]:
    """The form as it stands, in words; `ruleset` is the version the rule is written for.

    `rows` and `errors` are by the number of the row on the form, `groups` in their order;
    everything is plain text in the language of the request.
    """
    editor.is_valid()
    under_way = read_unfinished(editor.document(), catalogue, known_lists())
    rule, acts = under_way.rule, under_way.acts
    lists = load_lists(_naming(under_way))
    seen = preview_rule(rule, lists) if rule is not None else None
    was = editor.form.cleaned_data.get("was", "")
    findings: list[dict[str, Any]] = []
    calm = ""
    if rule is not None and acts:
        findings, complete = findings_in_words(rule, ruleset, was)
        calm = _calm(complete, findings)
    warnings = _warnings(findings)
    reach = reach_in_words(seen, acts=acts, idle=rule is not None and is_idle(rule))
    return {
        "sentence": sentence_for_rule(rule) if rule is not None else "",
        **reach,
        "bar": reach["summary"] + (" · " + _warned(warnings) if warnings else ""),
        "rows": _hits(editor, under_way, lists),
        "groups": [_orders(count) for count in seen.groups] if seen and seen.cases else [],
        "errors": _row_errors(editor, under_way),
        "missing": _left_to_do(editor, under_way) + _taken(editor, ruleset, was),
        "findings": findings,
        "notes": _noted(len(findings) - warnings),
        "calm": calm,
    }


def _naming(under_way: Unfinished) -> Document:
    """A document that names every list that the readable conditions name."""
    return Document((Rule("rows", "", "tag", 0, (tuple(under_way.rows.values()),), ()),))


def _hits(editor: RuleEditor, under_way: Unfinished, lists: Lists) -> dict[str, str]:
    if not len(recent_cases()):
        return {}
    permissive = editor.form.cleaned_data.get("on_missing") == "match"
    numbers = editor.row_numbers()
    return {
        str(numbers[place]): _("alone: %(orders)s")
        % {"orders": _orders(row_hits(row, permissive=permissive, lists=lists))}
        for place, row in under_way.rows.items()
    }


def _row_errors(editor: RuleEditor, under_way: Unfinished) -> dict[str, str]:
    """What is wrong with conditions that look finished."""
    wrong: dict[str, str] = {}
    for error in under_way.errors:
        place = editor.place_of(error.path)
        if place.part == "rows" and _looks_finished(place):
            wrong.setdefault(str(place.index), editor.worded(error, place))
    return wrong


def _left_to_do(editor: RuleEditor, under_way: Unfinished) -> list[str]:
    """What is missing or wrong, each once, in the order of the form."""
    lines = (_line(error, editor.place_of(error.path)) for error in under_way.errors)
    return list(dict.fromkeys(lines))


def _line(error: DocumentError, place: Place) -> str:
    if place.part == "rows":
        message = error.message if _looks_finished(place) else _("not complete yet")
        about = _("Condition %(number)d") % {"number": place.index + 1}
    elif place.field:
        message, about = error.message, capfirst(_label(place))
    else:
        return error.message
    return _("%(about)s: %(message)s") % {"about": about, "message": message}


def _label(place: Place) -> str:
    """The word for a field; the text of an action is called by what it is there."""
    if place.part == "actions" and place.field == "text":
        do = place.form.cleaned_data.get("do", "")
        return {"hold": _("reason"), "tag": _("tag"), "effect": _("effect")}.get(do, _("value"))
    return str(place.form.fields[place.field].label)


def _looks_finished(place: Place) -> bool:
    data = place.form.cleaned_data
    return bool(data.get("fact") and data.get("op") and data.get("value", "").strip())


def _taken(editor: RuleEditor, ruleset: RuleSet | None, was: str) -> list[str]:
    key = editor.form.cleaned_data.get("key", "")
    if not key or key == was or ruleset is None:
        return []
    is_taken = StoredRule.objects.filter(ruleset=ruleset, key=key).exists()
    return [_("Another rule already has this key.")] if is_taken else []


def _orders(count: int) -> str:
    return ngettext("%(count)s order", "%(count)s orders", count) % {"count": figure(count)}


def _warned(count: int) -> str:
    return ngettext("%(count)d warning", "%(count)d warnings", count) % {"count": count}


def _warnings(findings: list[dict[str, Any]]) -> int:
    return sum(each["level"] != "info" for each in findings)


def _calm(complete: bool, findings: list[dict[str, Any]]) -> str:
    if not complete:
        return _("Not every conflict could be looked for in time; check the whole version.")
    return "" if _warnings(findings) else _("No conflict with the other rules.")


def _noted(count: int) -> str:
    return ngettext("%(count)d remark", "%(count)d remarks", count) % {"count": count}
