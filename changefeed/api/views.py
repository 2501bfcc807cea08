"""The pull feed over HTTP."""

from typing import cast

import orjson
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from changefeed.api import openapi  # noqa: F401  (registers the security scheme)
from changefeed.api.permissions import HasScope
from changefeed.api.serializers import ChangePage, PullQuery
from changefeed.dispatch.messages import document_of
from changefeed.errors import BadCursor, CursorExpired
from changefeed.models import ApiKey
from changefeed.reading import read_page

PROBLEM = "application/problem+json"


class Gone(APIException):
    """The cursor is older than what is kept."""

    status_code = status.HTTP_410_GONE
    default_detail = _("This cursor is older than what is kept. Start again without a cursor.")
    default_code = "cursor_expired"


class ChangesView(APIView):
    """Every committed change once, in pages without gaps."""

    permission_classes = [HasScope.of("feed:read")]

    @extend_schema(
        operation_id="changes_list",
        parameters=[PullQuery],
        responses={
            200: ChangePage,
            **{(code, PROBLEM): OpenApiTypes.OBJECT for code in (401, 403, 410, 422, 429)},
        },
        description=(
            "Changes in order, each once, none skipped. Show `next_cursor` to acknowledge a page "
            "and get the next; the same cursor gives the same page. An empty page returns the "
            "cursor that was shown: ask again later. 410 when the cursor is older than what is "
            "kept."
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        query = PullQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        key = cast(ApiKey, request.auth)
        try:
            page = read_page(key, wanted.get("cursor"), wanted["limit"])
        except BadCursor:
            raise ValidationError(
                {"cursor": [_("This cursor was not issued to this key.")]}
            ) from None
        except CursorExpired:
            raise Gone from None
        body = orjson.dumps(
            {
                "results": [document_of(row) for row in page.rows],
                "next_cursor": page.next_cursor,
                "has_more": page.has_more,
            },
            option=orjson.OPT_SORT_KEYS,
        )
        return HttpResponse(body, content_type="application/json")
