"""How a list of orders may be narrowed and paged; a misspelt filter is refused, not ignored."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from orders.models import Order
from orders.status import OrderState

LARGEST_ID = 2**63 - 1
POSITION = re.compile(r"[0-9]{1,19}", re.ASCII)


class InstantField(forms.CharField):
    """A time with its zone."""

    default_error_messages = {"instant": _("Write the time like 2026-11-11T02:13:09+08:00.")}

    def to_python(self, value: Any) -> datetime | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        try:
            moment = parse_datetime(text.replace(" ", "+"))  # an unquoted + arrives as a blank
        except ValueError:
            moment = None
        if moment is None or timezone.is_naive(moment) or not 1900 < moment.year < 9000:
            raise forms.ValidationError(self.error_messages["instant"], code="instant")
        return moment


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class OrderFilter(django_filters.FilterSet):
    """`…_from` includes its instant, `…_until` does not."""

    state = django_filters.MultipleChoiceFilter(choices=OrderState.choices)
    channel = django_filters.CharFilter(field_name="channel__code", max_length=64)
    customer = django_filters.CharFilter(field_name="customer__external_id", max_length=64)
    lane = django_filters.CharFilter(field_name="lane", max_length=40)
    warehouse = django_filters.CharFilter(field_name="warehouse__code", max_length=64)
    placed_from = InstantFilter(field_name="placed_at", lookup_expr="gte")
    placed_until = InstantFilter(field_name="placed_at", lookup_expr="lt")
    received_from = InstantFilter(field_name="received_at", lookup_expr="gte")
    received_until = InstantFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = Order
        fields: Sequence[str] = ()


class OrderPages(CursorPagination):
    """Newest first; `next` and `previous` are addresses to follow."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The place to go on from. Raises ValidationError for a cursor that we did not issue."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None:
                position = str(cursor.position or "")
                if not POSITION.fullmatch(position) or int(position) > LARGEST_ID:
                    raise NotFound
        except NotFound:
            raise _refused("cursor", _("This cursor was not issued here.")) from None
        return cursor


def narrow(queryset: QuerySet[Order], request: Request) -> QuerySet[Order]:
    """The orders that the query asks for. Raises ValidationError naming what it cannot mean."""
    known = {*OrderFilter.base_filters, OrderPages.cursor_query_param, "limit"}
    for name in request.query_params:
        if name not in known:
            raise _refused(name, _("There is no such filter."))
    limit = request.query_params.get("limit")
    if limit is not None and not (
        limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= OrderPages.max_page_size
    ):
        raise _refused("limit", _("Write a number from 1 to 200."))
    found = OrderFilter(request.query_params, queryset=queryset, request=request)
    if not found.is_valid():
        raise ValidationError(
            {
                name: [ErrorDetail(str(error), code="invalid") for error in errors]
                for name, errors in found.errors.items()
            }
        )
    return found.qs


def _refused(name: str, message: object) -> ValidationError:
    return ValidationError({name: [ErrorDetail(str(message), code="invalid")]})
