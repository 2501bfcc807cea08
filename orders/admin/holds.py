"""Admin of holds: the quarantine board stands where the list would, acts are doors of their own."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from orders.admin.base import ReadOnlyAdmin
from orders.admin.board.bulk import BoardDoors
from orders.admin.hold_snoozing import snooze_from_hold
from orders.models import Hold

ACTS = ("claim", "unclaim", "release", "uphold", "hold_again", "note", "reveal")


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Nothing is written through Django's own forms; see BoardDoors."""

    def __init__(self, model: type[Hold], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        self.doors = BoardDoors(self)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("poll/", view(self.doors.poll), name="orders_hold_poll"),
            path("release/", view(self.doors.release_many), name="orders_hold_release_many"),
            *(
                path(
                    f"<str:object_id>/{act.replace('_', '-')}/",
                    view(getattr(self.doors, act)),
                    name=f"orders_hold_{act}",
                )
                for act in ACTS
            ),
        ]
        snooze = path("<str:object_id>/snooze/", view(self.snooze), name="orders_hold_snooze")
        return [*own, snooze, *super().get_urls()]

    def snooze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return snooze_from_hold(self, request, object_id)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.doors.board(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self.doors.detail(request, unquote(object_id))
