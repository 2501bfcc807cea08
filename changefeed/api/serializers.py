"""Shapes of the pull API, for reading its query and describing its answer."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

DEFAULT_LIMIT = 100
MOST_LIMIT = 1000


class PullQuery(serializers.Serializer):  # type: ignore[type-arg]
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


class ChangeSubject(serializers.Serializer):  # type: ignore[type-arg]
    """What a change is about."""

    kind = serializers.CharField()
    id = serializers.CharField()
    version = serializers.IntegerField()


class ChangeData(serializers.Serializer):  # type: ignore[type-arg]
    """The change itself."""

    seq = serializers.IntegerField()
    subject = ChangeSubject()
    field = serializers.CharField(allow_blank=True)
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)
    actor = serializers.CharField()
    source = serializers.CharField()
    schema_version = serializers.IntegerField()


class ChangeMessage(serializers.Serializer):  # type: ignore[type-arg]
    """One change, in the same form in which it is pushed."""

    id = serializers.UUIDField()
    type = serializers.CharField()
    timestamp = serializers.DateTimeField()
    data = ChangeData()


class ChangePage(serializers.Serializer):  # type: ignore[type-arg]
    """A page of changes; `next_cursor` acknowledges it when shown."""

    results = ChangeMessage(many=True)
    next_cursor = serializers.CharField()
    has_more = serializers.BooleanField()
