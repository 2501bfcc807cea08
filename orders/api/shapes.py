"""Shapes of what this door takes and answers for intake and decisions, for the OpenAPI document."""

from typing import Any

from pydantic import Field
from rest_framework import serializers

from orders.intake.document import Document, OrderDocument
from orders.status import HoldOwner, HoldState, OrderState, Risk
from rules.api.serializers import TracedRuleAnswer


class BulkDocument(Document):
    """Orders to take in together; the limit is a setting, 1,000 unless changed."""

    orders: list[OrderDocument] = Field(min_length=1, max_length=1000)


class MatchedRowShape(serializers.Serializer[Any]):
    """A condition that held: what was asked for and what was seen."""

    fact = serializers.CharField()
    op = serializers.CharField()
    wanted = serializers.JSONField(allow_null=True)
    seen = serializers.JSONField(allow_null=True)


class OrderMatch(serializers.Serializer[Any]):
    """A rule that acted, and the conditions that made it."""

    rule = serializers.CharField()
    name = serializers.CharField()
    layer = serializers.ChoiceField(choices=["intercept", "allocate", "tag", "dispatch"])
    actions = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    matched = MatchedRowShape(many=True)


class OrderSlot(serializers.Serializer[Any]):
    value = serializers.CharField()
    rule = serializers.CharField()


class OrderEffect(serializers.Serializer[Any]):
    key = serializers.CharField()
    rule = serializers.CharField()


class OrderDecision(serializers.Serializer[Any]):
    """What the rules said; when `intercept` holds the order, the lower layers are empty."""

    intercept = OrderMatch(allow_null=True)
    slots = serializers.DictField(child=OrderSlot())
    tags = serializers.ListField(child=serializers.CharField())
    effects = OrderEffect(many=True)
    dispatch = serializers.BooleanField()
    matches = OrderMatch(many=True)


class PlacedHold(serializers.Serializer[Any]):
    """A hold that the order starts with."""

    id = serializers.IntegerField()
    owner = serializers.ChoiceField(choices=HoldOwner.choices)
    rule = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    message = serializers.CharField(help_text="The reason in the language asked for.")
    risk = serializers.ChoiceField(choices=Risk.choices)
    state = serializers.ChoiceField(choices=HoldState.choices)
    due_at = serializers.DateTimeField()


class PlacedAnswer(serializers.Serializer[Any]):
    """What became of an order."""

    number = serializers.CharField()
    state = serializers.ChoiceField(choices=OrderState.choices)
    version = serializers.IntegerField()
    decision = OrderDecision(allow_null=True)
    holds = PlacedHold(many=True)


class FieldProblem(serializers.Serializer[Any]):
    """One thing wrong with one field."""

    field = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class BulkResult(serializers.Serializer[Any]):
    """One item's result: as PlacedAnswer when it was stored, else what is wrong with it."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=[201, 200, 409, 422])
    number = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=OrderState.choices, required=False)
    version = serializers.IntegerField(required=False)
    decision = OrderDecision(allow_null=True, required=False)
    holds = PlacedHold(many=True, required=False)
    code = serializers.CharField(required=False)
    title = serializers.CharField(required=False)
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


class BulkAnswer(serializers.Serializer[Any]):
    results = BulkResult(many=True)


class TimelineEntryShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    act = serializers.CharField()
    actor = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    title = serializers.CharField(help_text="What was done, in the language asked for.")
    reason = serializers.CharField(allow_blank=True)
    detail = serializers.JSONField(allow_null=True)


class TimelineAnswer(serializers.Serializer[Any]):
    """What happened to an order."""

    number = serializers.CharField()
    entries = TimelineEntryShape(many=True)


class DecisionTrace(serializers.Serializer[Any]):
    """What became of every rule, told by the version of then and the lists of now."""

    changed_lists = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of lists that are not what they were."
    )
    rules = TracedRuleAnswer(many=True)


class StoredDecision(serializers.Serializer[Any]):
    """One run of the rules over the order, with everything needed to replay it."""

    at = serializers.DateTimeField()
    cause = serializers.CharField()
    ruleset_version = serializers.IntegerField()
    list_versions = serializers.DictField(child=serializers.IntegerField())
    facts = serializers.DictField(child=serializers.JSONField(allow_null=True))
    outcome = OrderDecision()
    sentences = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why each rule acted, in the language asked for; one for each of its matches.",
    )
    took_us = serializers.IntegerField(help_text="Microseconds.")
    trace = DecisionTrace(
        required=False,
        allow_null=True,
        help_text="With ?trace=1; null when the version can no longer be read.",
    )


class DecisionsAnswer(serializers.Serializer[Any]):
    number = serializers.CharField()
    decisions = StoredDecision(many=True)
