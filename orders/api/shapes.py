"""Shapes of what this door takes and answers for intake and decisions, for the OpenAPI document."""

from typing import Any

from pydantic import Field
from rest_framework import serializers

from orders.intake.document import Document, OrderDocument
from orders.status import HoldOwner, HoldState, OrderState, Risk


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
    errors = FieldProblem(many=True, required=False)


class BulkAnswer(serializers.Serializer[Any]):
    results = BulkResult(many=True)
