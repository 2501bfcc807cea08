"""Returns as the API shows them."""

from typing import Any

from rest_framework import serializers

from returns.models import ReturnRequest
from returns.status import ReturnKind, ReturnState

MONEY = {"max_digits": 12, "decimal_places": 2, "read_only": True}


class ReturnLineAnswer(serializers.Serializer[Any]):
    """Units of an order line; good and bad ones are null until the goods were inspected."""

    position = serializers.IntegerField(source="order_line.position")
    sku = serializers.CharField(source="order_line.sku.code")
    quantity = serializers.IntegerField()
    good_units = serializers.IntegerField(allow_null=True)
    bad_units = serializers.IntegerField(allow_null=True)
    refund_amount = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]


class ReturnAnswer(serializers.Serializer[ReturnRequest]):
    """A return and how far it has come."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.number")
    customer = serializers.CharField(source="customer.external_id")
    kind = serializers.ChoiceField(choices=ReturnKind.choices)
    state = serializers.ChoiceField(choices=ReturnState.choices)
    version = serializers.IntegerField()
    reason = serializers.CharField()
    refund_amount = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    currency = serializers.CharField(source="order.currency")
    requested_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField(allow_blank=True)
    warehouse = serializers.CharField(source="warehouse.code", default=None, allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    lines = ReturnLineAnswer(many=True)
