"""Shapes of the pull API, for reading its query and describing its answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from changefeed import filtering, kinds
from changefeed.polling import LONGEST_WAIT_SECONDS

DEFAULT_LIMIT = 100
MOST_LIMIT = 1000
_SUBJECTS = _("Kinds of subject, comma-separated, such as `order,customer`; all if left out.")
_KINDS = _(
    "Kinds of change, comma-separated; `shipment.*` stands for all of a family. A word that names "
    "no kind is refused."
)
_FIELDS = _(
    "Fields, comma-separated, such as `ship_to,state`. A word that is a field of no change is "
    "refused."
)


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

    wait = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=LONGEST_WAIT_SECONDS,
        help_text=_("Seconds to wait for something new before an empty page is answered."),
    )
    subjects = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=500, help_text=_SUBJECTS
    )
    kinds = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text=_KINDS
    )
    fields_ = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text=_FIELDS
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """The query's name for it is `fields`, which a serializer has for itself."""
        found = super().get_fields()
        found["fields"] = found.pop("fields_")
        return found

    # A filter that nothing can pass would be an empty feed for ever, and nobody would notice.

    def validate_subjects(self, text: str) -> tuple[str, ...]:
        return _sound(text, filtering.subject_problems, "unknown_subject")

    def validate_kinds(self, text: str) -> tuple[str, ...]:
        return _sound(text, filtering.kind_problems, "unknown_kind")

    def validate_fields(self, text: str) -> tuple[str, ...]:
        return _sound(text, filtering.field_problems, "unknown_field")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        asked = attrs["kinds"], attrs["fields"], attrs["subjects"]
        if any(asked) and not kinds.can_match(*asked):
            message = ErrorDetail(str(filtering.NOTHING_PASSES), code="nothing_passes")
            name = "fields" if attrs["fields"] else "kinds"
            raise serializers.ValidationError({name: [message]})
        return attrs


def words_of(text: str) -> tuple[str, ...]:
    """The words of a list with commas."""
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _sound(text: str, find: Callable[[Sequence[str]], list[str]], code: str) -> tuple[str, ...]:
    """The words, none of them without meaning. Raises ValidationError naming each that is."""
    words = words_of(text)
    if too_many := filtering.too_many(words):
        raise serializers.ValidationError([ErrorDetail(str(too_many), code="too_many")])
    if problems := find(words):
        raise serializers.ValidationError([ErrorDetail(one, code=code) for one in problems])
    return words


class SnapshotQuery(serializers.Serializer):
    """Which part of the present state to read."""

    subjects = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=500, help_text=_SUBJECTS
    )
    after = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=200,
        help_text=_("`next` of the page before; leave it out to start."),
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


class SnapshotItem(serializers.Serializer):
    """The state of one subject at its version."""

    subject = ChangeSubject()
    state = serializers.DictField(child=serializers.JSONField(allow_null=True))


class SnapshotPage(serializers.Serializer):
    """A page of the present state."""

    results = SnapshotItem(many=True)
    next = serializers.CharField(
        allow_null=True, help_text=_("Show it as `after`; null on the last page.")
    )
    changes_cursor = serializers.CharField(
        allow_null=True,
        help_text=_(
            "On the first page only: keep it, and read the changes from it after the last page."
        ),
    )


class Exact(serializers.Serializer):
    """Refuses members that it does not know: a misspelt `version` would go unchecked."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping) and (unknown := sorted(data.keys() - self.fields.keys())):
            message = ErrorDetail(str(_("There is no such field.")), code="unknown_field")
            raise serializers.ValidationError({name: [message] for name in unknown})
        found: dict[str, Any] = super().to_internal_value(data)
        return found


class InboundSubject(Exact):
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


class InboundChange(Exact):
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
