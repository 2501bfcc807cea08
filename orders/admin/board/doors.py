"""HTTP of the board: pages and polls to read, one POST per act; answers JSON to the script.

Without JavaScript the same POSTs redirect to the next hold of the view with a message.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.act_pages import found
from orders.admin.base import acting
from orders.admin.board.answers import Answer, act_answer
from orders.admin.board.options import cause_options, channel_options
from orders.admin.board.pane import RELEASE_REASONS, UPHOLD_REASONS, read_pane
from orders.admin.board.rows import SHOWN, board_row, claim_text, next_hold, read_page
from orders.admin.board.tabs import TABS, BoardView, counts
from orders.errors import OrderError, ReasonMissing
from orders.lifecycle.holds import (
    claim_hold,
    hold_order,
    release_hold,
    release_holds,
    unclaim_hold,
    uphold_hold,
)
from orders.lifecycle.noting import note_order, record_reveal
from orders.lifecycle.recalling import recall_order
from orders.models import Hold
from orders.status import FollowUp, HoldState, OrderState

if TYPE_CHECKING:
    from orders.admin.holds import HoldAdmin

MOST_AT_ONCE = 200
MOST_WATCHED = 400
REASON_LENGTH = 500


class BoardDoors:
    """The views of HoldAdmin; each asks for its permission before anything is read."""

    def __init__(self, model_admin: "HoldAdmin") -> None:
        self.model_admin = model_admin

    # --- reading -------------------------------------------------------------------------------

    def board(self, request: HttpRequest) -> HttpResponse:
        """The list left, the pane of the chosen hold right."""
        self._may(request, "view_hold")
        now, view = timezone.now(), BoardView.read(request.GET)
        page = read_page(view, request.user, now, request.GET.get("after", ""))
        context = {
            "rows": page.rows,
            "after": page.after,
            "view": view,
            "selected": set(request.GET.get("failed", "").split(",")),
            "may_decide": request.user.has_perm("orders.decide_hold"),
            "newest": _newest(),
        }
        if request.GET.get("part") == "rows":
            return JsonResponse(
                {
                    "html": render_to_string("admin/orders/_board_rows.html", context, request),
                    "after": page.after,
                    "newest": context["newest"],
                    "counts": counts(request.user, now),
                }
            )
        found_counts = counts(request.user, now)
        first = next((row for row in page.rows), None)
        pane = read_pane(first.hold, view, request.user, now) if first else None
        return self._page(
            request,
            "admin/orders/board.html",
            title=_("Quarantine board"),
            tabs=[(tab, found_counts[tab.key]) for tab in TABS],
            causes=cause_options(),
            channels=channel_options(),
            pane=pane,
            poll_url=reverse("admin:orders_hold_poll"),
            current=first.hold.pk if first else None,
            is_board=True,
            release_reasons=RELEASE_REASONS,
            uphold_reasons=UPHOLD_REASONS,
            **context,
        )

    def detail(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One hold on a page of its own, or as the board's pane."""
        self._may(request, "view_hold")
        hold = found(Hold.objects.select_related(*SHOWN), object_id)
        return self._shown(request, hold, revealed=False)

    def poll(self, request: HttpRequest) -> HttpResponse:
        """What changed since the list was read: counts, new holds, and each watched row."""
        self._may(request, "view_hold")
        now, view = timezone.now(), BoardView.read(request.GET)
        watched = [
            int(key)
            for key in request.GET.get("ids", "").split(",")[:MOST_WATCHED]
            if key.isascii() and key.isdecimal() and len(key) < 19
        ]
        rows = Hold.objects.filter(pk__in=watched).select_related(*SHOWN)
        known = request.GET.get("newest", "0")
        newer = view.holds(request.user, now)
        is_key = known.isascii() and known.isdecimal() and len(known) < 19
        return JsonResponse(
            {
                "counts": counts(request.user, now),
                "new": newer.filter(pk__gt=int(known) if is_key else 0).count(),
                "rows": {str(hold.pk): _row_state(request, hold) for hold in rows},
            }
        )

    def _shown(self, request: HttpRequest, hold: Hold, *, revealed: bool) -> HttpResponse:
        view = BoardView.read(request.POST if request.method == "POST" else request.GET)
        pane = read_pane(hold, view, request.user, timezone.now(), revealed=revealed)
        context = {
            "pane": pane,
            "view": view,
            "release_reasons": RELEASE_REASONS,
            "uphold_reasons": UPHOLD_REASONS,
        }
        if request.GET.get("part") == "pane" or request.POST.get("part") == "pane":
            return TemplateResponse(request, "admin/orders/_pane.html", context)
        return self._page(
            request,
            "admin/orders/hold_page.html",
            title=_("Hold on order %(number)s") % {"number": hold.order.number},
            **context,
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        request.current_app = self.model_admin.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(
            request,
            template,
            {
                **self.model_admin.admin_site.each_context(request),
                "opts": self.model_admin.model._meta,
                **context,
            },
        )

    # --- acts on one hold ----------------------------------------------------------------------

    def claim(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(
            request,
            object_id,
            "decide_hold",
            lambda hold: claim_hold(hold.pk, user=request.user),
            stays=True,
            done=lambda hold: _("Claimed: %(claim)s.") % {"claim": claim_text(hold)},
        )

    def unclaim(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(
            request,
            object_id,
            "decide_hold",
            lambda hold: unclaim_hold(hold.pk, user=request.user),
            stays=True,
            done=lambda hold: _("Given back."),
        )

    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            _refuse_claimed(hold, request)
            release_hold(hold.pk, actor=acting(request), reason=_reason(request))

        return self._act(request, object_id, "decide_hold", act)

    def uphold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            _refuse_claimed(hold, request)
            follow_up = request.POST.get("follow_up", "")
            if follow_up not in FollowUp.values:
                raise OrderError(_("Say what follows: a correction, or cancelling the order."))
            uphold_hold(
                hold.pk, actor=acting(request), reason=_reason(request), follow_up=follow_up
            )

        return self._act(request, object_id, "decide_hold", act)

    def hold_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            reason = _reason(request) or _("Released by mistake")
            if hold.order.state == OrderState.DISPATCHED:
                recall_order(hold.order_id, actor=acting(request), reason=reason)
            else:
                hold_order(hold.order_id, actor=acting(request), reason=reason)

        return self._act(request, object_id, "stop_order", act, stays=True)

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(hold: Hold) -> None:
            note_order(hold.order_id, actor=acting(request), text=_reason(request))

        return self._act(
            request, object_id, "note_order", act, stays=True, done=lambda hold: _("Noted.")
        )

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the full contact once; the look is on record before anything is shown."""
        self._may(request, "view_hold", "reveal_order")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        hold = found(Hold.objects.select_related(*SHOWN), object_id)
        record_reveal(hold.order_id, actor=acting(request))
        return self._shown(request, hold, revealed=True)

    def _act(
        self,
        request: HttpRequest,
        object_id: str,
        permission: str,
        act: Callable[[Hold], Any],
        *,
        stays: bool = False,
        done: Callable[[Hold], str] | None = None,
    ) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._may(request, "view_hold", permission)
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
        return self._answered(request, hold, answer, stays=stays)

    def _answered(
        self, request: HttpRequest, hold: Hold, answer: Answer, *, stays: bool
    ) -> HttpResponse:
        if _wants_json(request):
            row = _row_state(request, hold)
            return JsonResponse({**answer.as_json(), "row": row}, status=answer.status)
        level = messages.SUCCESS if answer.ok else messages.ERROR
        if answer.message:
            messages.add_message(request, level, answer.message)
        view = BoardView.read(request.POST)
        stay_here = stays or answer.code in ("reason_missing", "not_allowed", "refused")
        key = hold.pk if stay_here else next_hold(view, hold, request.user, timezone.now())
        if key is None:
            return redirect(f"{reverse('admin:orders_hold_changelist')}?{view.query}")
        return redirect(f"{reverse('admin:orders_hold_change', args=(key,))}?{view.query}")

    # --- acts on many --------------------------------------------------------------------------

    def release_many(self, request: HttpRequest) -> HttpResponse:
        """Release the selected holds with one reason; each answers for itself."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._may(request, "view_hold", "decide_hold")
        view = BoardView.read(request.POST)
        keys = list(dict.fromkeys(request.POST.getlist("hold")))
        if any(not (key.isascii() and key.isdecimal() and len(key) < 19) for key in keys):
            raise Http404
        back = f"{reverse('admin:orders_hold_changelist')}?{view.query}"
        refusal = ""
        if not keys:
            refusal = _("Select at least one hold first.")
        elif len(keys) > MOST_AT_ONCE:
            refusal = _("Select at most %(most)s holds at once.") % {"most": MOST_AT_ONCE}
        elif not _reason(request):
            refusal = str(ReasonMissing.default)
        if refusal:
            if _wants_json(request):
                return JsonResponse({"ok": False, "message": refusal}, status=422)
            messages.error(request, refusal)
            return redirect(f"{back}&failed={','.join(keys)}")
        results = self._release_each([int(key) for key in keys], request)
        return self._answered_many(request, results, back)

    def _release_each(self, keys: list[int], request: HttpRequest) -> list[dict[str, Any]]:
        claimed: dict[int, str] = {}
        for hold in Hold.objects.filter(pk__in=keys).select_related("order", "claimed_by"):
            try:
                _refuse_claimed(hold, request)
            except OrderError as error:
                claimed[hold.pk] = error.message
        free = [key for key in keys if key not in claimed]
        results = {
            result.hold_id: (result.ok, result.message)
            for result in release_holds(free, actor=acting(request), reason=_reason(request))
        }
        results |= {key: (False, message) for key, message in claimed.items()}
        holds = Hold.objects.select_related(*SHOWN).in_bulk(keys)
        return [
            {
                "id": key,
                "number": holds[key].order.number if key in holds else "",
                "ok": results[key][0],
                "message": results[key][1],
                "row": _row_state(request, holds[key]) if key in holds else None,
            }
            for key in keys
        ]

    def _answered_many(
        self, request: HttpRequest, results: list[dict[str, Any]], back: str
    ) -> HttpResponse:
        if _wants_json(request):
            return JsonResponse({"ok": all(one["ok"] for one in results), "results": results})
        done = sum(one["ok"] for one in results)
        if done:
            messages.success(request, _("%(count)s released.") % {"count": done})
        failed = [one for one in results if not one["ok"]]
        for one in failed:
            messages.error(request, f"{one['number'] or one['id']}: {one['message']}")
        keys = ",".join(str(one["id"]) for one in failed)
        return redirect(f"{back}&failed={keys}" if failed else back)

    def _may(self, request: HttpRequest, *permissions: str) -> None:
        if not all(request.user.has_perm(f"orders.{name}") for name in permissions):
            raise PermissionDenied


def _newest() -> int:
    return Hold.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _reason(request: HttpRequest) -> str:
    """What was typed, else the quick reason that was picked."""
    typed = request.POST.get("reason", "").replace("\x00", "").strip()
    return (typed or request.POST.get("quick", "").replace("\x00", "").strip())[:REASON_LENGTH]


def _refuse_claimed(hold: Hold, request: HttpRequest) -> None:
    """An open hold that somebody else works on is left to them. Raises AlreadyDone."""
    if hold.state == HoldState.OPEN and hold.claimed_by_id not in (None, request.user.pk):
        claim_hold(hold.pk, user=request.user)


def _row_state(request: HttpRequest, hold: Hold) -> dict[str, Any]:
    row = board_row(hold, request.user, timezone.now())
    return {
        "id": hold.pk,
        "state": hold.state,
        "claim": row.claim,
        "mine": row.claimed_by_me,
        "outcome": row.outcome,
        "clock": row.clock.text,
        "level": row.clock.level,
    }
