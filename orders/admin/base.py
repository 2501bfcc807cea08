"""What every admin page of the orders app shares: acting in a person's name, and reading only."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from orders.actors import Actor, user_actor


def person_of(request: HttpRequest) -> User:
    """The signed-in person; admin_view lets nobody else through."""
    return cast(User, request.user)


def acting(request: HttpRequest) -> Actor:
    """The signed-in person as an actor."""
    return user_actor(request.user)


class DeskAdmin(ModelAdmin):
    """A form whose writes carry the person's name into the feed; nothing is deleted by actions."""

    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    warn_unsaved_form = True
    actions: Any = None

    def save_model(
        self, request: HttpRequest, obj: models.Model, form: ModelForm, change: bool
    ) -> None:
        acting(request).begin()
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        acting(request).begin()
        super().delete_model(request, obj)


def allows(codename: str) -> Callable[..., bool]:
    """A has_…_permission method that asks for one permission of the orders app.

    Unfold checks dotted names against the database at start, before there is one.
    """

    def has_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"orders.{codename}")

    return has_permission


class ReadOnly:
    """Denies every verb but view, whatever a group holds."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, DeskAdmin):
    """Facts that only lifecycle writes."""

    list_display_links: Any = None


class ReadOnlyInline(ReadOnly, TabularInline):
    """Rows shown below their owner."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    hide_title = True
