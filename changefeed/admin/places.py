"""Where one subject is found in the feed: the lists that look alike, each a step from the next."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

MOST_SHOWN = 200


class SubjectPlaces(ModelAdmin):
    """A list that leads to the other two with the same subject, and says what empty means."""

    list_before_template = "admin/changefeed/_places.html"
    change_list_template = "admin/changefeed/endpoint_list.html"
    empty_text: Any = ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            **(extra_context or {}),
            "places": places(request, request.GET.get("q", ""), self.opts.model_name or ""),
            "sought": request.GET.get("q", "").strip()[:MOST_SHOWN],
            "empty_text": "" if self.model.objects.exists() else self.empty_text,
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response


def places(request: HttpRequest, sought: str = "", current: str = "") -> list[dict[str, Any]]:
    """The lists that this person may open; each with the subject sought, if any."""
    lists = (
        ("change", _("Changes")),
        ("feedlane", _("Waiting lanes")),
        ("attempt", _("Attempts")),
    )
    query = f"?{urlencode({'q': sought.strip()[:MOST_SHOWN]})}" if sought.strip() else ""
    return [
        {
            "title": title,
            "path": reverse(f"admin:changefeed_{model}_changelist"),
            "query": query,
            "is_current": model == current,
        }
        for model, title in lists
        if request.user.has_perm(f"changefeed.view_{model}")
    ]
