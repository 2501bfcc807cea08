"""Acts on one hold, one POST each: JSON for the board's script, a redirect for a plain form."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.act_pages import found
from orders.admin.base import acting, person_of
from orders.admin.board.answers import Answer, act_answer
from orders.admin.board.pages import BoardPages
from orders.admin.board.requests import (
    leave_to_claimant,
    reason_in,
    require,
    row_state,
    wants_json,
)
from orders.admin.board.rows import SHOWN, claim_text, next_hold
from orders.admin.board.tabs import BoardView
from orders.errors import OrderError
from orders.lifecycle.holds import (
    claim_hold,
    hold_order,
    release_hold,
    unclaim_hold,
    uphold_hold,
)
from orders.lifecycle.noting import note_order, record_reveal
from orders.lifecycle.recalling import recall_order
from orders.models import Hold
from orders.status import FollowUp, OrderState

STAYS_AFTER = ("reason_missing", "not_allowed", "refused")
"""Refusals after which a plain form shows the same hold again."""


class HoldActs(BoardPages):
    """Views that act; each asks for its permission before the hold is read."""

    def claim(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(
            request,
            object_id,
            "decide_hold",
            lambda hold: claim_hold(hold.pk, user=person_of(request)),
            stays=True,
            done=lambda hold: _("Claimed: %(claim)s.") % {"claim": claim_text(hold)},
        )

    def unclaim(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.act(
            request,
            object_id,
            "decide_hold",
            lambda hold: unclaim_hold(hold.pk, user=person_of(request)),
            stays=True,
            done=lambda hold: _("Given back."),
        )

    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            leave_to_claimant(hold, request)
            release_hold(hold.pk, actor=acting(request), reason=reason_in(request))

        return self.act(request, object_id, "decide_hold", act)

    def uphold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            leave_to_claimant(hold, request)
            follow_up = request.POST.get("follow_up", "")
            if follow_up not in FollowUp.values:
                raise OrderError(_("Say what follows: a correction, or cancelling the order."))
            reason = reason_in(request)
            uphold_hold(hold.pk, actor=acting(request), reason=reason, follow_up=follow_up)

        return self.act(request, object_id, "decide_hold", act)

    def hold_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            again = recall_order if hold.order.state == OrderState.DISPATCHED else hold_order
            reason = reason_in(request) or _("Released by mistake")
            again(hold.order_id, actor=acting(request), reason=reason)

        return self.act(request, object_id, "stop_order", act, stays=True)

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            note_order(hold.order_id, actor=acting(request), text=reason_in(request))

        return self.act(
            request, object_id, "note_order", act, stays=True, done=lambda hold: _("Noted.")
        )

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the full contact once; the look is on record before anything is shown."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, "view_hold", "reveal_order")
        hold = found(Hold.objects.select_related(*SHOWN), object_id)
        record_reveal(hold.order_id, actor=acting(request))
        return self.shown(request, hold, revealed=True)

    def act(
        self,
        request: HttpRequest,
        object_id: str,
        permission: str,
        act: Callable[[Hold], Any],
        *,
        stays: bool = False,
        done: Callable[[Hold], str] | None = None,
    ) -> HttpResponse:
        """Do one act and answer; `done` words its success, `stays` keeps a plain form here."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, "view_hold", permission)
        hold = found(Hold.objects.select_related(*SHOWN), object_id)
        try:
            act(hold)
        except OrderError as error:
            answer = Answer.refused(error)
        else:
            answer = Answer(ok=True)
        hold = Hold.objects.select_related(*SHOWN).get(pk=hold.pk)
        if done and answer.ok:
            answer = Answer(ok=True, message=done(hold))
        else:
            answer = act_answer(answer, hold, request)
        if wants_json(request):
            row = row_state(request, hold)
            return JsonResponse({**answer.as_json(), "row": row}, status=answer.status)
        return self._go_on(request, hold, answer, stays=stays or answer.code in STAYS_AFTER)

    def _go_on(
        self, request: HttpRequest, hold: Hold, answer: Answer, *, stays: bool
    ) -> HttpResponse:
        """The plain form's way: the next hold of the view, or the board when none is left."""
        if answer.message:
            level = messages.SUCCESS if answer.ok else messages.ERROR
            messages.add_message(request, level, answer.message)
        view = BoardView.read(request.POST)
        now = timezone.now()
        key = hold.pk if stays else next_hold(view, hold, person_of(request), now)
        if key is None:
            return redirect(f"{reverse('admin:orders_hold_changelist')}?{view.query}")
        return redirect(f"{reverse('admin:orders_hold_change', args=(key,))}?{view.query}")
