"""The doors of the acts on versions: who may, what was given, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import formats
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from rules import lifecycle
from rules.admin.actors import actor_of
from rules.errors import DocumentInvalid, NotPossible
from rules.models import RuleSet, RuleSetState

PUBLISH = "rules.publish_ruleset"
Door = Callable[[HttpRequest, int], HttpResponse]
Act = Callable[[RuleSet], RuleSet | None]


class RuleSetActs:
    """Mixed into the admin of versions; every act is a POST of its own."""

    admin_site: Any

    def act_urls(self) -> list[URLPattern]:
        """The addresses of the acts; publishing has a page, and so its own address."""

        def act(name: str, view: Door) -> URLPattern:
            guarded = self.admin_site.admin_view(require_POST(view))
            return path(f"<int:pk>/{name}/", guarded, name=f"rules_ruleset_{name}")

        return [
            act("draft", self.draft_view),
            act("discard", self.discard_view),
            act("rollback", self.rollback_view),
            act("shadow", self.shadow_view),
            act("unshadow", self.unshadow_view),
            act("schedule", self.schedule_view),
            act("unschedule", self.unschedule_view),
            act("reorder", self.reorder_view),
            act("status", self.status_view),
        ]

    def draft_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Edit this version as a draft."""
        return self._act(
            request,
            pk,
            "rules.change_ruleset",
            lambda found: lifecycle.open_draft(actor_of(request), found),
        )

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Throw the draft away."""
        done = _("The draft was discarded.")

        def act(found: RuleSet) -> None:
            lifecycle.discard_draft(found, actor_of(request))

        return self._act(request, pk, "rules.change_ruleset", act, done)

    def publish(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put the draft, or what watches, in force."""
        actor, note, digest = actor_of(request), _note(request), request.POST.get("digest", "")

        def act(found: RuleSet) -> RuleSet:
            if found.state == RuleSetState.SHADOW:
                return lifecycle.promote(found, actor)
            return lifecycle.publish(found, actor, note, expected=digest)

        return self._act(request, pk, PUBLISH, act, failed=_publishing)

    def rollback_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put a retired version in force again, and offer the way back."""
        former = RuleSet.objects.filter(state=RuleSetState.LIVE).first()
        response = self._act(
            request,
            pk,
            PUBLISH,
            lambda found: lifecycle.rollback_to(found, actor_of(request), _note(request)),
        )
        if former is not None and not RuleSet.objects.filter(pk=former.pk, state="live").exists():
            link = format_html(
                '<a class="rs-link" href="{}#rollback">{}</a>',
                reverse("admin:rules_ruleset_change", args=[former.pk]),
                former,
            )
            text = format_html(_("To undo this, roll back to {} in the same way."), link)
            messages.info(request, text)
        return response

    def shadow_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let the draft watch live traffic."""
        note, digest = _note(request), request.POST.get("digest", "")
        done = _("The version watches live traffic now; nothing it says is acted on.")
        return self._act(
            request,
            pk,
            PUBLISH,
            lambda found: lifecycle.start_shadow(found, actor_of(request), note, expected=digest),
            done,
            failed=_publishing,
        )

    def unshadow_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End the shadow run."""
        done = _("The shadow run has ended.")
        return self._act(
            request, pk, PUBLISH, lambda found: lifecycle.end_shadow(found, actor_of(request)), done
        )

    def schedule_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have it go live by itself, at a time of the shop."""
        at = shop_time(request.POST.get("publish_at", ""))
        digest = request.POST.get("digest", "")

        def act(found: RuleSet) -> RuleSet:
            if at is None:
                raise NotPossible(_("Give the day and the time at which it goes live."))
            return lifecycle.schedule(found, at, actor_of(request), _note(request), expected=digest)

        shown = formats.date_format(at, "SHORT_DATETIME_FORMAT") if at else ""
        done = _("Goes live at %(time)s, as it is now; an edit cancels that.") % {"time": shown}
        return self._act(request, pk, PUBLISH, act, done, failed=_publishing)

    def unschedule_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the schedule off."""
        done = _("The schedule was cancelled.")
        return self._act(
            request, pk, PUBLISH, lambda found: lifecycle.unschedule(found, actor_of(request)), done
        )

    def reorder_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the rules of a layer in the order given; answers a script with JSON."""
        keys = request.POST.get("keys", "").split()
        layer, expected = request.POST.get("layer", ""), request.POST.get("order", "")

        def act(found: RuleSet) -> RuleSet:
            lifecycle.reorder_rules(found, layer, keys, actor_of(request), expected=expected)
            return found

        return self._act(
            request, pk, "rules.change_rule", act, _("The rules were reordered."), anchor=layer
        )

    def status_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give one rule of the draft another status."""
        sent = request.POST

        def act(found: RuleSet) -> RuleSet:
            lifecycle.set_rule_status(
                found,
                sent.get("key", ""),
                sent.get("status", ""),
                actor_of(request),
                expected=sent.get("rule_digest", ""),
            )
            return found

        return self._act(request, pk, "rules.change_rule", act, anchor=sent.get("layer", ""))

    def _act(
        self,
        request: HttpRequest,
        pk: int,
        permission: str,
        act: Act,
        done: str = "",
        *,
        anchor: str = "",
        failed: Callable[[RuleSet], str] | None = None,
    ) -> HttpResponse:
        """Do it, say how it went, and show the version that matters now."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        ruleset = get_object_or_404(RuleSet, pk=pk)
        was_scheduled = ruleset.publish_at is not None
        try:
            result = act(ruleset)
        except (NotPossible, DocumentInvalid) as error:
            return _refused(request, ruleset, error, failed)
        if result is None:
            messages.success(request, done)
            return redirect("admin:rules_ruleset_changelist")
        if done:
            messages.success(request, done)
        elif result.state == RuleSetState.LIVE:
            live = _("Version %(version)d is live.") % {"version": result.version}
            messages.success(request, live)
        result.refresh_from_db(fields=["publish_at"])
        if was_scheduled and result.publish_at is None and result.state == RuleSetState.DRAFT:
            messages.warning(request, _("The draft is not scheduled any more."))
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"ok": True})
        return redirect(shown_at(result) + (f"#{anchor}" if anchor.isalpha() else ""))


def shown_at(ruleset: RuleSet) -> str:
    """The address of a version's page."""
    return reverse("admin:rules_ruleset_change", args=[ruleset.pk])


def _publishing(ruleset: RuleSet) -> str:
    """Where what stands in the way of publishing is shown, if it still can be published."""
    now = RuleSet.objects.filter(pk=ruleset.pk).values_list("state", flat=True).first()
    if now in (RuleSetState.DRAFT, RuleSetState.SHADOW):
        return reverse("admin:rules_ruleset_publish", args=[ruleset.pk])
    return shown_at(ruleset)


def _refused(
    request: HttpRequest,
    ruleset: RuleSet,
    error: NotPossible | DocumentInvalid,
    failed: Callable[[RuleSet], str] | None,
) -> HttpResponse:
    if isinstance(error, DocumentInvalid):
        count = {"count": len(error.errors)}
        text = _("Errors to correct first: %(count)d.") % count
    else:
        text = str(error)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"ok": False, "message": text}, status=409)
    messages.error(request, text)
    if not RuleSet.objects.filter(pk=ruleset.pk).exists():
        return redirect("admin:rules_ruleset_changelist")
    return redirect(failed(ruleset) if failed is not None else shown_at(ruleset))


def _note(request: HttpRequest) -> str:
    return request.POST.get("note", "").strip()[:500]


def shop_time(text: str) -> datetime | None:
    """A time as a form sends it, read in the shop's zone; None when it is none.

    An hour that a change of the clocks skips is taken to lie after it.
    """
    try:
        moment = parse_datetime(text.strip())
    except ValueError:
        return None
    if moment is None:
        return None
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
