"""Shapes of the pull API, for reading its query and describing its answer."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

DEFAULT_LIMIT = 100
MOST_LIMIT = 1000


class PullQuery(serializers.Serializer):
    """What a consumer may ask for."""

    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=500,
        help_text=_("`next_cursor` of the page before; leave it out to start at the beginning."),
    )
    limit = serializers.IntegerField(
        required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST_LIMIT
    )


class ChangeSubject(serializers.Serializer):
    """What a change is about."""

    kind = serializers.CharField()
    id = serializers.CharField()
    version = serializers.IntegerField()


class ChangeData(serializers.Serializer):
    """The change itself."""

    seq = serializers.IntegerField()
    subject = ChangeSubject()
    field = serializers.CharField(allow_blank=True)
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)
    actor = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    schema_version = serializers.IntegerField()


class ChangeMessage(serializers.Serializer):
    """One change, in the same form in which it is pushed."""

    id = serializers.UUIDField()
    type = serializers.CharField()
    timestamp = serializers.DateTimeField()
    data = ChangeData()  # type: ignore[assignment]


class ChangePage(serializers.Serializer):
    """A page of changes; `next_cursor` acknowledges it when shown."""

    results = ChangeMessage(many=True)
    next_cursor = serializers.CharField()
    has_more = serializers.BooleanField()
