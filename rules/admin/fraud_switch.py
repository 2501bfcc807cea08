"""The anti-fraud switch on the desk: where it stands, what it would do, and the act."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from rules import fraud, history
from rules.admin.actors import actor_of
from rules.admin.ruleset_acts import PUBLISH
from rules.document import Document, Rule
from rules.errors import DocumentInvalid, NotPossible
from rules.fraud_reach import fraud_reach
from rules.fraud_state import Switch, live_document, switch_state
from rules.lifecycle import set_fraud_mode
from rules.lifecycle.switches import shipped_pack
from rules.sentences import sentence_for_rule


def switch_of(request: HttpRequest) -> Switch | None:
    """The switch as this person sees it; None when nothing is live that it could turn."""
    return switch_state(may_turn=request.user.has_perm(PUBLISH))


def fraud_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """What the pack says and would have held this week; sent, the switch is turned."""
    if not request.user.has_perm("rules.view_ruleset"):
        raise PermissionDenied
    if request.method == "POST":
        return _turn(request)
    document = live_document()
    shipped = shipped_pack()
    rules = _pack(document, shipped)
    reach = fraud_reach(document, shipped, database_now()) if document and rules else None
    examples = history.source().cases(reach.examples) if reach else []
    context = model_admin.admin_site.each_context(request) | {
        "title": _("Anti-fraud mode"),
        "opts": model_admin.opts,
        "switch": switch_of(request),
        "rules": [
            {"rule": rule, "sentence": sentence_for_rule(rule), "acts": rule.status == "live"}
            for rule in rules
        ],
        "reach": reach,
        "examples": examples,
    }
    return TemplateResponse(request, "admin/rules/fraud_page.html", context)


def _turn(request: HttpRequest) -> HttpResponse:
    """A box is sent only when it is ticked."""
    if not request.user.has_perm(PUBLISH):
        raise PermissionDenied
    on = request.POST.get("fraud_mode") == "on"
    try:
        done = set_fraud_mode(on, actor_of(request))
    except (NotPossible, DocumentInvalid) as error:
        messages.error(request, str(error))
        return redirect("admin:rules_ruleset_fraud")
    if not done.changed:
        text = _("Anti-fraud mode is on already.") if on else _("Anti-fraud mode is off already.")
        messages.info(request, text)
    else:
        text = (
            _("Anti-fraud mode is on; version %(version)d is live.")
            if on
            else _("Anti-fraud mode is off; version %(version)d is live.")
        )
        messages.success(request, text % {"version": done.live.version})
    if done.draft is not None:
        text = _("The open draft %(draft)s was changed alike.") % {"draft": done.draft}
        messages.info(request, text)
    if done.dropped_schedule:
        messages.warning(request, _("The draft is not scheduled any more."))
    return redirect("admin:rules_ruleset_fraud")


def _pack(document: Document | None, shipped: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules that the switch turns: those of the live version, and shipped ones it lacks."""
    if document is None:
        return ()
    live = fraud.pack_of(document.rules)
    known = {rule.key for rule in live}
    return (*live, *(rule for rule in shipped if rule.key not in known))
