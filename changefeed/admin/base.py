"""What the feed's admin pages share: who may what, paging without counting, dialogs."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget


class ReadOnlyAdmin(ModelAdmin):
    """A page to look at: no adding, changing or deleting; pages are not counted."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None
    list_disable_select_all = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReasonForm(BaseDialogForm):
    """Asks why."""

    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


def actor_of(user: User | AnonymousUser | AbstractBaseUser) -> str:
    """The name under which a staff user appears in the feed and the logs."""
    return f"user:{user.get_username()}"


def found_or_404(admin: ModelAdmin, request: HttpRequest, object_id: str) -> Any:
    """The row that an act is about; Http404 for an id that is gone or never was one."""
    found = admin.get_object(request, object_id)
    if found is None:
        raise Http404
    return found


def show_once(request: HttpRequest, sentence: str, secret: str) -> None:
    """Put a secret on the next page and on no other; one touch selects the whole of it."""
    shown = format_html('{} <code class="desk-secret">{}</code>', sentence, secret)
    messages.warning(request, shown)


def to_page(request: HttpRequest, view: str, *args: Any) -> HttpResponse:
    """The answer that makes a dialog leave for an admin page, with or without htmx."""
    path = reverse(f"admin:{view}", args=args)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": path})
    return redirect(path)
