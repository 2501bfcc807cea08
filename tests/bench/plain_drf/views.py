"""Nested ModelSerializers with a `create` of their own, and a CreateAPIView."""

# mypy: ignore-errors
# It is no app of the settings that mypy reads.

from typing import Any

from django.db import transaction
from rest_framework import generics, serializers

from tests.bench.plain_drf.models import Customer, Order, OrderLine, Sku


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    class Meta:
        model = Customer
        fields = ("external_id", "name", "phone", "registered_at", "crm_grade")
        extra_kwargs = {"external_id": {"validators": []}}


class LineSerializer(serializers.ModelSerializer[OrderLine]):
    sku = serializers.SlugRelatedField(slug_field="code", queryset=Sku.objects.all())

    class Meta:
        model = OrderLine
        fields = ("sku", "quantity", "unit_price", "is_gift")


class OrderSerializer(serializers.ModelSerializer[Order]):
    customer = CustomerSerializer()
    lines = LineSerializer(many=True)

    class Meta:
        model = Order
        exclude = ("id",)

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Order:
        lines = validated_data.pop("lines")
        customer = validated_data.pop("customer")
        external_id = customer.pop("external_id")
        buyer, _new = Customer.objects.get_or_create(external_id=external_id, defaults=customer)
        order = Order.objects.create(customer=buyer, **validated_data)
        OrderLine.objects.bulk_create(OrderLine(order=order, **line) for line in lines)
        return order


class Orders(generics.CreateAPIView[Order]):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer
