"""The pull feed over HTTP."""

from typing import cast

import orjson
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from changefeed.api import openapi  # noqa: F401  (registers the security scheme)
from changefeed.api.permissions import HasScope
from changefeed.api.serializers import (
    ChangePage,
    InboundChange,
    InboundReceipt,
    PullQuery,
    SnapshotPage,
    SnapshotQuery,
    words_of,
)
from changefeed.dispatch.messages import document_of
from changefeed.errors import BadCursor, CursorExpired, DifferentMessage, UnknownSubject
from changefeed.inbound import Message, take
from changefeed.models import ApiKey
from changefeed.polling import read_page_soon
from changefeed.reading import Wanted, cursor_for_now
from changefeed.snapshots import BadPosition, read_state

PROBLEM = "application/problem+json"
MAY_PULL, MAY_TELL = HasScope.of("feed:read"), HasScope.of("feed:write")


class Gone(APIException):
    """The cursor is older than what is kept."""

    status_code = status.HTTP_410_GONE
    default_detail = _("This cursor is older than what is kept. Start again without a cursor.")
    default_code = "cursor_expired"


class Conflict(APIException):
    """The id was used before for something else."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = _("This id was used before with different content; use a new one.")
    default_code = "different_body"


class ChangesView(APIView):
    """Every committed change once, in pages without gaps; and changes made elsewhere, taken in."""

    def get_permissions(self) -> list[BasePermission]:
        return [MAY_TELL() if self.request.method == "POST" else MAY_PULL()]

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
            "cursor that was shown: ask again later, or say how long to `wait`. Filters may leave "
            "a page empty that still moves the cursor; a filter naming what does not exist, or "
            "one that nothing can ever pass, is answered 422 with what was probably meant. 410 "
            "when the cursor is older than what is kept: start again from the snapshot."
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        query = PullQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        key = cast(ApiKey, request.auth)
        try:
            page = read_page_soon(
                key,
                wanted.get("cursor"),
                wanted["limit"],
                Wanted(wanted["subjects"], wanted["kinds"], wanted["fields"]),
                wanted["wait"],
            )
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

    @extend_schema(
        operation_id="changes_take",
        request=InboundChange,
        responses={
            **dict.fromkeys((200, 202), InboundReceipt),
            **{(code, PROBLEM): OpenApiTypes.OBJECT for code in (401, 403, 404, 409, 422, 429)},
        },
        description=(
            "A change made in the calling system, applied here once: the order is screened again, "
            "and a warehouse that has it already is asked to stop (202). It reaches every other "
            "system; the caller is told only if something else was stored than it sent. Equal "
            "values change nothing. 409 with `current_version` when the subject is newer than "
            "the version named, or when the id came before with other content."
        ),
    )
    def post(self, request: Request) -> Response:
        told = InboundChange(data=request.data)
        told.is_valid(raise_exception=True)
        said, key = told.validated_data, cast(ApiKey, request.auth)
        subject = said["subject"]
        try:
            receipt = take(
                Message(
                    id=said["id"],
                    source=key.source,
                    actor=f"key:{key.name}",
                    subject_kind=subject["kind"],
                    subject_id=subject["id"],
                    version=subject.get("version"),
                    changes=said["changes"],
                    reason=said["reason"],
                )
            )
        except DifferentMessage:
            raise Conflict from None
        except UnknownSubject:
            message = _("Nobody here takes changes of this kind.")
            raise ValidationError(
                {"subject": {"kind": [ErrorDetail(str(message), code="unknown_subject")]}}
            ) from None
        waits = receipt.outcome == "waiting"
        return Response(
            {
                "outcome": receipt.outcome,
                "version": receipt.version,
                "repeated": receipt.repeated,
            },
            status=status.HTTP_202_ACCEPTED if waits else status.HTTP_200_OK,
        )


class SnapshotView(APIView):
    """The present state of every subject, to start from."""

    permission_classes = [MAY_PULL]

    @extend_schema(
        operation_id="changes_snapshot",
        parameters=[SnapshotQuery],
        responses={
            200: SnapshotPage,
            **{(code, PROBLEM): OpenApiTypes.OBJECT for code in (401, 403, 422, 429)},
        },
        description=(
            "For a new consumer, or one whose cursor is too old: read all pages, store each "
            "subject at its version, then go on with `changes_cursor` of the first page. Changes "
            "made meanwhile come again; one whose version is not newer than yours is known."
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        query = SnapshotQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        key = cast(ApiKey, request.auth)
        # The cursor first: what changes while pages are read is behind it.
        cursor = None if asked["after"] else cursor_for_now(key)
        try:
            page = read_state(words_of(asked["subjects"]), asked["after"], asked["limit"])
        except BadPosition:
            message = _("This position was not issued here.")
            raise ValidationError({"after": [ErrorDetail(str(message), code="invalid")]}) from None
        except UnknownSubject as unknown:
            kind = str(unknown)[:40]
            text = str(_("There is no state of this kind: %(kind)s.") % {"kind": kind})
            raise ValidationError(
                {"subjects": [ErrorDetail(text, code="unknown_subject")]}
            ) from None
        body = orjson.dumps(
            {"results": page.results, "next": page.next, "changes_cursor": cursor},
            option=orjson.OPT_SORT_KEYS,
        )
        return HttpResponse(body, content_type="application/json")
