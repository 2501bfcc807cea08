"""The board's pages to read: the list, one hold, and the poll that keeps both true."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.act_pages import found
from orders.admin.base import person_of
from orders.admin.board.options import cause_options, channel_options
from orders.admin.board.pane import RELEASE_REASONS, UPHOLD_REASONS, read_pane
from orders.admin.board.requests import is_key, require, row_state
from orders.admin.board.rows import SHOWN, read_page
from orders.admin.board.tabs import TABS, BoardView, counts
from orders.models import Hold

if TYPE_CHECKING:
    from orders.admin.holds import HoldAdmin

MOST_WATCHED = 400
REASONS = {"release_reasons": RELEASE_REASONS, "uphold_reasons": UPHOLD_REASONS}


class BoardPages:
    """Views that read; each asks for its permission first."""

    def __init__(self, model_admin: "HoldAdmin") -> None:
        self.model_admin = model_admin

    def board(self, request: HttpRequest) -> HttpResponse:
        """The list left, the pane of its first hold right; `part=rows` answers rows alone."""
        require(request, "view_hold")
        person, now, view = person_of(request), timezone.now(), BoardView.read(request.GET)
        page = read_page(view, person, now, request.GET.get("after", ""))
        context: dict[str, Any] = {
            "rows": page.rows,
            "after": page.after,
            "view": view,
            "selected": set(request.GET.get("failed", "").split(",")),
            "may_decide": person.has_perm("orders.decide_hold"),
            "newest": Hold.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
        }
        totals = counts(person, now)
        if request.GET.get("part") == "rows":
            html = render_to_string("admin/orders/_board_rows.html", context, request)
            answer = {"html": html, "counts": totals, "after": page.after}
            return JsonResponse({**answer, "newest": context["newest"]})
        first = page.rows[0].hold if page.rows else None
        return self.page(
            request,
            "admin/orders/board.html",
            title=_("Quarantine board"),
            tabs=[(tab, totals[tab.key]) for tab in TABS],
            causes=cause_options(),
            channels=channel_options(),
            pane=read_pane(first, view, person, now) if first else None,
            poll_url=reverse("admin:orders_hold_poll"),
            current=first.pk if first else None,
            **REASONS,
            **context,
        )

    def detail(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One hold on a page of its own, or as the board's pane."""
        require(request, "view_hold")
        hold = found(Hold.objects.select_related(*SHOWN), object_id)
        return self.shown(request, hold, revealed=False)

    def poll(self, request: HttpRequest) -> HttpResponse:
        """What changed since the list was read: counts, new holds, and each watched row."""
        require(request, "view_hold")
        person, now, view = person_of(request), timezone.now(), BoardView.read(request.GET)
        keys = request.GET.get("ids", "").split(",")[:MOST_WATCHED]
        watched = Hold.objects.filter(pk__in=[int(key) for key in keys if is_key(key)])
        known = request.GET.get("newest", "0")
        newer = view.holds(person, now).filter(pk__gt=int(known) if is_key(known) else 0)
        return JsonResponse(
            {
                "counts": counts(person, now),
                "new": newer.count(),
                "rows": {
                    str(hold.pk): row_state(request, hold)
                    for hold in watched.select_related(*SHOWN)
                },
            }
        )

    def shown(self, request: HttpRequest, hold: Hold, *, revealed: bool) -> HttpResponse:
        """The pane of a hold, alone or on a page."""
        params = request.POST if request.method == "POST" else request.GET
        view = BoardView.read(params)
        pane = read_pane(hold, view, person_of(request), timezone.now(), revealed=revealed)
        context = {"pane": pane, "view": view, **REASONS}
        if params.get("part") == "pane":
            return TemplateResponse(request, "admin/orders/_pane.html", context)
        title = _("Hold on order %(number)s") % {"number": hold.order.number}
        return self.page(request, "admin/orders/hold_page.html", title=title, **context)

    def page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        """A whole admin page."""
        site = self.model_admin.admin_site
        request.current_app = site.name
        shared = {**site.each_context(request), "opts": self.model_admin.model._meta}
        return TemplateResponse(request, template, {**shared, **context})
