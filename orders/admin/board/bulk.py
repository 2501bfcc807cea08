"""Releasing many holds with one reason; each answers for itself and failures stay selected."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from orders.admin.base import acting
from orders.admin.board.acts import HoldActs
from orders.admin.board.requests import (
    is_key,
    leave_to_claimant,
    reason_in,
    require,
    row_state,
    wants_json,
)
from orders.admin.board.rows import SHOWN
from orders.admin.board.tabs import BoardView
from orders.errors import OrderError, ReasonMissing
from orders.lifecycle.holds import release_holds
from orders.models import Hold

MOST_AT_ONCE = 200


class BoardDoors(HoldActs):
    """All views of HoldAdmin."""

    def release_many(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, "view_hold", "decide_hold")
        keys = list(dict.fromkeys(request.POST.getlist("hold")))
        if not all(is_key(key) for key in keys):
            raise Http404
        view = BoardView.read(request.POST)
        back = f"{reverse('admin:orders_hold_changelist')}?{view.query}"
        if refusal := _refusal(request, keys):
            if wants_json(request):
                return JsonResponse({"ok": False, "message": refusal}, status=422)
            messages.error(request, refusal)
            return redirect(f"{back}&failed={','.join(keys)}")
        results = _release_each([int(key) for key in keys], request)
        if wants_json(request):
            return JsonResponse({"ok": all(one["ok"] for one in results), "results": results})
        return _told(request, results, back)


def _refusal(request: HttpRequest, keys: list[str]) -> str:
    if not keys:
        return _("Select at least one hold first.")
    if len(keys) > MOST_AT_ONCE:
        return _("Select at most %(most)s holds at once.") % {"most": MOST_AT_ONCE}
    return "" if reason_in(request) else str(ReasonMissing.default)


def _release_each(keys: list[int], request: HttpRequest) -> list[dict[str, Any]]:
    """One answer per hold, in the order given."""
    answers: dict[int, tuple[bool, str]] = {}
    for hold in Hold.objects.filter(pk__in=keys).select_related("order", "claimed_by"):
        try:
            leave_to_claimant(hold, request)
        except OrderError as error:
            answers[hold.pk] = (False, error.message)
    free = [key for key in keys if key not in answers]
    for result in release_holds(free, actor=acting(request), reason=reason_in(request)):
        answers[result.hold_id] = (result.ok, result.message)
    holds = Hold.objects.select_related(*SHOWN).in_bulk(keys)
    return [
        {
            "id": key,
            "number": holds[key].order.number if key in holds else "",
            "ok": answers[key][0],
            "message": answers[key][1],
            "row": row_state(request, holds[key]) if key in holds else None,
        }
        for key in keys
    ]


def _told(request: HttpRequest, results: list[dict[str, Any]], back: str) -> HttpResponse:
    """The plain form's answer: what was done, what failed and why, failures still selected."""
    if done := sum(one["ok"] for one in results):
        messages.success(request, _("%(count)s released.") % {"count": done})
    failed = [one for one in results if not one["ok"]]
    for one in failed:
        messages.error(request, f"{one['number'] or one['id']}: {one['message']}")
    keys = ",".join(str(one["id"]) for one in failed)
    return redirect(f"{back}&failed={keys}" if failed else back)
