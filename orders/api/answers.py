"""Orders, holds and shipments as the API shows them."""

from typing import Any

from rest_framework import serializers

from orders.models import Hold, Order, StopRequest
from orders.status import FollowUp, HoldOwner, HoldState, OrderState, Risk, ShipmentState

MONEY = {"max_digits": 12, "decimal_places": 2, "read_only": True}


def _code(source: str) -> serializers.CharField:
    """The code of a record that may be absent."""
    return serializers.CharField(source=f"{source}.code", default=None, allow_null=True)


class OrderRow(serializers.Serializer[Order]):
    """An order in a list."""

    number = serializers.CharField()
    channel = serializers.CharField(source="channel.code")
    customer = serializers.CharField(source="customer.external_id")
    state = serializers.ChoiceField(choices=OrderState.choices)
    version = serializers.IntegerField()
    placed_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()
    dispatched_at = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    grand_total = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    urgent = serializers.BooleanField()
    presale = serializers.BooleanField()
    lane = serializers.CharField(allow_blank=True)
    warehouse = _code("warehouse")
    courier = _code("courier")
    packaging = _code("packaging")
    print_priority = serializers.IntegerField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())


class OrderShipTo(serializers.Serializer[Order]):
    """Where the order goes; `phone` is as the platform masked it when it came masked."""

    name = serializers.CharField(source="ship_name")
    phone = serializers.SerializerMethodField()
    phone_hash = serializers.CharField(source="ship_phone_hash", allow_blank=True)
    province = serializers.CharField()
    city = serializers.CharField(allow_blank=True)
    district = serializers.CharField(allow_blank=True)
    street = serializers.CharField()

    def get_phone(self, order: Order) -> str:
        return order.ship_phone or order.ship_phone_masked


class OrderLineAnswer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    sku = serializers.CharField(source="sku.code")
    quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    settlement_price = serializers.DecimalField(**MONEY, allow_null=True)  # type: ignore[arg-type]
    is_gift = serializers.BooleanField()


class OrderCoupon(serializers.Serializer[Any]):
    code = serializers.CharField()
    type = serializers.CharField()
    discount = serializers.CharField()


class HoldAnswer(serializers.Serializer[Hold]):
    """A reason not to ship, and what was decided about it."""

    id = serializers.IntegerField()
    owner = serializers.ChoiceField(choices=HoldOwner.choices)
    rule = serializers.CharField(source="rule_key", allow_blank=True)
    rule_name = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    message = serializers.SerializerMethodField()
    risk = serializers.ChoiceField(choices=Risk.choices)
    state = serializers.ChoiceField(choices=HoldState.choices)
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    resolved_by = serializers.CharField(allow_blank=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolution = serializers.CharField(allow_blank=True)
    follow_up = serializers.ChoiceField(choices=FollowUp.choices, allow_blank=True)

    def get_message(self, hold: Hold) -> str:
        """The reason in the language asked for."""
        return hold.reason_text


class ShipmentLineAnswer(serializers.Serializer[Any]):
    sku = serializers.CharField(source="order_line.sku.code")
    quantity = serializers.IntegerField()


class ShipmentAnswer(serializers.Serializer[Any]):
    """One parcel."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.number")
    state = serializers.ChoiceField(choices=ShipmentState.choices)
    deliver_on = serializers.DateField(allow_null=True)
    warehouse = serializers.CharField(source="warehouse.code")
    courier = _code("courier")
    packaging = _code("packaging")
    lane = serializers.CharField(allow_blank=True)
    print_priority = serializers.IntegerField(allow_null=True)
    waybill = serializers.CharField(allow_blank=True)
    released_at = serializers.DateTimeField(allow_null=True)
    shipped_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    freeze_requested_at = serializers.DateTimeField(allow_null=True)
    freeze_reason = serializers.CharField(allow_blank=True)
    freeze_answer = serializers.CharField(allow_blank=True)
    lines = ShipmentLineAnswer(many=True)


class StopRequestAnswer(serializers.Serializer[Any]):
    """The warehouse was asked to stop; while `waiting`, its answer decides what follows."""

    purpose = serializers.ChoiceField(choices=StopRequest.Purpose.choices)
    state = serializers.ChoiceField(choices=StopRequest.State.choices)
    reason = serializers.CharField(allow_blank=True)
    actor = serializers.CharField()
    requested_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)


class OrderAnswer(OrderRow):
    """The whole order."""

    goods_total = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    discount_total = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    shipping_total = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    livestream_room = serializers.CharField(allow_blank=True)
    parent = serializers.CharField(  # type: ignore[assignment]
        source="parent_number", allow_blank=True
    )
    gift_for = serializers.CharField(source="gift_for_number", allow_blank=True)
    merged_into = serializers.CharField(source="merged_into_number", allow_blank=True)
    ship_to = OrderShipTo(source="*")
    buyer_remark = serializers.CharField(allow_blank=True)
    seller_remark = serializers.CharField(allow_blank=True)
    invoice_title = serializers.CharField(allow_blank=True)
    delivery_slot = serializers.CharField(allow_blank=True)
    coupons = OrderCoupon(many=True)
    lines = OrderLineAnswer(many=True)
    holds = HoldAnswer(many=True)
    shipments = ShipmentAnswer(many=True)
    stop_requests = StopRequestAnswer(many=True)
