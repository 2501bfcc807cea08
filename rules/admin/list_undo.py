"""A removal that can be taken back: a message with a button, for a quarter of an hour."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rules.admin import stash
from rules.admin.actors import actor_of
from rules.figures import number
from rules.lifecycle import restore_list_entries
from rules.models import ReferenceList

REMOVAL = "list-removal"


def offer_undo(request: HttpRequest, removed: stash.Wanted) -> None:
    """Say how many entries were removed, with the button that puts them back."""
    count = sum(len(entries) for entries in removed.values())
    token = stash.put(request.user, REMOVAL, removed)
    said = ngettext("%(count)s entry was removed.", "%(count)s entries were removed.", count) % {
        "count": number(count)
    }
    button = format_html(
        '<form method="post" action="{}" class="ls-undo">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<input type="hidden" name="token" value="{}">'
        '<button type="submit" class="desk-button">{}</button></form>',
        reverse("admin:rules_listentry_undo"),
        get_token(request),
        token,
        _("Undo"),
    )
    messages.info(request, format_html("{} {}", said, button))


def undo_view(request: HttpRequest) -> HttpResponse:
    """Put back what was removed; pressing twice does it once."""
    if not request.user.has_perm("rules.add_listentry"):
        raise PermissionDenied
    lists = redirect("admin:rules_referencelist_changelist")
    kept = stash.get(request.user, REMOVAL, request.POST.get("token", ""))
    if kept is None:
        messages.error(request, _("It is too late to undo this; add the entries again."))
        return lists
    back = 0
    found = ReferenceList.objects.filter(key__in=kept[0]).order_by("pk")
    for reference_list in found:
        back += restore_list_entries(reference_list, kept[0][reference_list.key], actor_of(request))
    messages.success(
        request,
        ngettext("%(count)s entry is back.", "%(count)s entries are back.", back)
        % {"count": number(back)},
    )
    one = found[0] if len(found) == 1 else None
    return redirect("admin:rules_referencelist_change", one.pk) if one else lists
