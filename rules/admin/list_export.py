"""Entries out as a file, one list or all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify

from rules.list_files import write_csv, write_xlsx
from rules.models import ListEntry

KINDS = {
    "csv": (write_csv, "text/csv; charset=utf-8"),
    "xlsx": (
        write_xlsx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
}


def export_view(model_admin: Any) -> Callable[[HttpRequest], HttpResponse]:
    """The file: `format` csv or xlsx, `list` the id of one list; it can be imported again."""

    def view(request: HttpRequest) -> HttpResponse:
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        kind = request.GET.get("format", "csv")
        write, content_type = KINDS.get(kind, KINDS["csv"])
        kind = kind if kind in KINDS else "csv"
        asked = request.GET.get("list", "")
        entries = ListEntry.objects.select_related("list").order_by("list__key", "value", "pk")
        name = "lists"
        if asked.isascii() and asked.isdigit():
            entries = entries.filter(list_id=int(asked))
            key = entries.values_list("list__key", flat=True).first()
            name = slugify(key or "list")
        response = HttpResponse(write(_rows(entries)), content_type=content_type)
        response["Content-Disposition"] = (
            f'attachment; filename="{name}-{timezone.localdate():%Y-%m-%d}.{kind}"'
        )
        response["X-Content-Type-Options"] = "nosniff"
        return response

    return view


def _rows(entries: Any) -> Iterator[tuple[str, ...]]:
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    for entry in entries.iterator(2_000):
        expires_at = (
            f"{entry.expires_at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if entry.expires_at else ""
        )
        yield entry.list.key, entry.value, entry.reason, expires_at
