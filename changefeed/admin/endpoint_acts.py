"""What superusers do with an endpoint: pause, resume, ping, renew its secrets, remove it."""

from dataclasses import asdict, dataclass
from typing import Any

import structlog
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action

from changefeed import lifecycle
from changefeed.admin.base import actor_of, found_or_404, show_once, to_page
from changefeed.admin.dialogs import (
    PauseForm,
    RemoveForm,
    ResumeForm,
    RetireForm,
    RotateForm,
    mark_of,
)
from changefeed.admin.problems import problem_words
from changefeed.dispatch.pinging import ping
from changefeed.models import AttemptOutcome, Endpoint, EndpointState

PING_IN_SESSION = "changefeed.ping"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """What a test message met with: a verdict in words, and the endpoint's own text."""

    is_delivered: bool
    verdict: str
    text: str


class EndpointActs(ModelAdmin):
    """Buttons of the endpoint's page; each asks before it acts, and says what it did."""

    actions_detail = ("resume", "pause", "rotate_secret", "retire_secrets", "remove")

    def has_edit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.ping))
        return [
            path("<int:object_id>/ping/", view, name="changefeed_endpoint_ping"),
            *super().get_urls(),
        ]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Only the acts that the endpoint's state leaves something to do for."""
        found: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        key = str(object_id)
        endpoint = Endpoint.objects.filter(pk=key).first() if key.isdecimal() else None
        if endpoint is None:
            return found
        needless = {
            "resume": endpoint.state == EndpointState.ACTIVE,
            "pause": endpoint.state == EndpointState.PAUSED,
            "retire_secrets": len(endpoint.secrets) < 2,
        }
        return [one for one in found if not needless.get(one.method.original_function_name)]

    def ping(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send one signed test message now; the answer as JSON, or on the page it came from."""
        if not self.has_edit_permission(request):
            raise PermissionDenied
        endpoint = get_object_or_404(Endpoint, pk=object_id)
        answer = _ping(endpoint)
        log.info("endpoint pinged", endpoint=endpoint.name, actor=actor_of(request.user))
        if request.accepts("text/html"):
            request.session[PING_IN_SESSION] = {"endpoint": endpoint.pk, **asdict(answer)}
            return self._back(request, str(object_id))
        return JsonResponse(asdict(answer))

    @action(
        description=gettext_lazy("Resume"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Send again now?"),
            "description": gettext_lazy("Everything that waited goes out in order."),
            "form_class": ResumeForm,
            "form_submit_text": gettext_lazy("Resume"),
        },
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        endpoint = self._locate(request, object_id)
        lifecycle.resume_endpoint(endpoint, actor=actor_of(request.user))
        self.log_change(request, endpoint, _("Resumed"))
        messages.success(request, _("Sending resumes."))
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Pause"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Stop sending?"),
            "description": gettext_lazy("Changes accumulate; nothing is dropped."),
            "form_class": PauseForm,
            "form_submit_text": gettext_lazy("Pause"),
        },
    )
    def pause(self, request: HttpRequest, form: PauseForm, object_id: str) -> HttpResponse:
        endpoint, reason = self._locate(request, object_id), form.cleaned_data["reason"]
        lifecycle.pause_endpoint(endpoint, actor=actor_of(request.user), reason=reason)
        self.log_change(request, endpoint, _("Paused: %(reason)s") % {"reason": reason})
        messages.success(request, _("Sending is paused."))
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("New secret"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Make a new signing secret?"),
            "description": gettext_lazy(
                "Messages carry a signature of the new and of the present secret until older ones "
                "are retired."
            ),
            "form_class": RotateForm,
            "form_submit_text": gettext_lazy("Make secret"),
        },
    )
    def rotate_secret(self, request: HttpRequest, form: RotateForm, object_id: str) -> HttpResponse:
        endpoint = self._locate(request, object_id)
        seen = form.cleaned_data["newest"]
        with transaction.atomic():
            locked = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
            is_first = not seen or seen == mark_of(locked)
            secret = (
                lifecycle.rotate_secret(locked, actor=actor_of(request.user)) if is_first else ""
            )
        if secret:
            self.log_change(request, endpoint, _("New signing secret made"))
            show_secret(request, secret)
        else:
            messages.info(
                request,
                _(
                    "A new secret was made a moment ago, perhaps by pressing twice. Nothing more "
                    "was changed."
                ),
            )
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Retire old secrets"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Sign with the newest secret only?"),
            "description": gettext_lazy("A receiver that still checks an older one will refuse."),
            "form_class": RetireForm,
            "form_submit_text": gettext_lazy("Retire"),
        },
    )
    def retire_secrets(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        endpoint = self._locate(request, object_id)
        dropped = lifecycle.retire_secrets(endpoint, actor=actor_of(request.user))
        self.log_change(request, endpoint, _("Secrets retired: %(count)d.") % {"count": dropped})
        messages.success(request, _("Secrets retired: %(count)d.") % {"count": dropped})
        return self._back(request, object_id)

    @action(
        description=gettext_lazy("Remove"),
        permissions=["edit"],
        dialog={
            "title": gettext_lazy("Remove this endpoint?"),
            "description": gettext_lazy("Everything still waiting for it is given up."),
            "form_class": RemoveForm,
            "form_submit_text": gettext_lazy("Remove"),
        },
    )
    def remove(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        endpoint = self._locate(request, object_id)
        pending = lifecycle.remove_endpoint(endpoint, actor=actor_of(request.user))
        self.log_deletions(request, [endpoint])
        messages.success(
            request, _("Endpoint removed; subjects given up: %(count)d.") % {"count": pending}
        )
        return to_page(request, "changefeed_endpoint_changelist")

    def _locate(self, request: HttpRequest, object_id: str) -> Endpoint:
        found: Endpoint = found_or_404(self, request, object_id)
        return found

    def _back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return to_page(request, "changefeed_endpoint_change", object_id)


def show_secret(request: HttpRequest, secret: str) -> None:
    """Put a new secret on the next page, and on no other."""
    show_once(request, _("Signing secret, shown this once. Give it to the receiver:"), secret)


def last_ping(request: HttpRequest, endpoint: Endpoint) -> PingAnswer | None:
    """The answer to the ping that this person has just sent to the endpoint, once."""
    kept = request.session.get(PING_IN_SESSION)
    if not kept or kept.get("endpoint") != endpoint.pk:
        return None
    del request.session[PING_IN_SESSION]
    return PingAnswer(kept["is_delivered"], kept["verdict"], kept["text"])


def _ping(endpoint: Endpoint) -> PingAnswer:
    try:
        answer = ping(endpoint)
    except ValueError:
        return PingAnswer(False, _("This endpoint has no readable secret. Make a new one."), "")
    named = {"status": answer.status, "latency": f"{answer.latency_ms:,}"}
    if answer.outcome is AttemptOutcome.DELIVERED:
        return PingAnswer(
            True, _("It arrived: HTTP %(status)s in %(latency)s ms.") % named, answer.text
        )
    if answer.status is None:
        words = problem_words(answer.text)
        return PingAnswer(False, _("It did not arrive, after %(latency)s ms.") % named, words)
    return PingAnswer(
        False, _("It was not taken: HTTP %(status)s in %(latency)s ms.") % named, answer.text
    )
