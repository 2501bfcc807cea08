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


class InboundSubject(serializers.Serializer):
    """What the message is about."""

    kind = serializers.CharField(max_length=40, help_text=_("`order` or `customer`."))
    id = serializers.CharField(max_length=64, help_text=_("The order or customer number."))
    version = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=2_147_483_647,
        help_text=_("The version that was changed; 409 when it is not the present one."),
    )


class InboundChange(serializers.Serializer):
    """A change made in another system."""

    id = serializers.CharField(
        max_length=200, help_text=_("Unique in the sending system; a repeat changes nothing.")
    )
    subject = InboundSubject()
    changes = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        allow_empty=False,
        help_text=_(
            "New values: for an order `ship_to` (any part of it), `invoice_title`, "
            "`delivery_slot`, `buyer_remark`, `seller_remark`, `urgent`, `paid_at`; "
            "for a customer `name`, `phone`."
        ),
    )
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)


class InboundReceipt(serializers.Serializer):
    """What became of the message."""

    outcome = serializers.ChoiceField(
        choices=["applied", "unchanged", "waiting"],
        help_text=_("`waiting`: the warehouse has the order and was asked to stop."),
    )
    version = serializers.IntegerField(help_text=_("The subject's version now."))
    repeated = serializers.BooleanField(help_text=_("Whether this id was taken before."))
