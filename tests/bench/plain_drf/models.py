"""An order as a first project would store it; columns as in the order document."""

# mypy: ignore-errors
# It is no app of the settings that mypy reads.

from typing import Any

from django.db import models


class Money(models.DecimalField):
    """An amount of the shop's currency."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 12, "decimal_places": 2, **options})


class Customer(models.Model):
    external_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120, blank=True)
    phone = models.CharField(max_length=32, blank=True, db_index=True)
    registered_at = models.DateTimeField(null=True)
    crm_grade = models.CharField(max_length=16, blank=True)

    def __str__(self) -> str:
        return self.external_id


class Sku(models.Model):
    code = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.code


class Order(models.Model):
    number = models.CharField(max_length=64, unique=True)
    channel = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, models.PROTECT)
    state = models.CharField(max_length=10, default="received", db_index=True)
    placed_at = models.DateTimeField(db_index=True)
    paid_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(auto_now_add=True)
    currency = models.CharField(max_length=3)
    urgent = models.BooleanField(default=False)
    presale = models.BooleanField(default=False)
    livestream_room = models.CharField(max_length=64, null=True)  # noqa: DJ001
    parent = models.CharField(max_length=64, null=True)  # noqa: DJ001
    gift_for = models.CharField(max_length=64, null=True)  # noqa: DJ001
    ship_to = models.JSONField()
    coupons = models.JSONField()
    goods_total = Money()
    discount_total = Money()
    shipping_total = Money()
    grand_total = Money()
    buyer_remark = models.TextField(blank=True)
    seller_remark = models.TextField(blank=True)
    invoice_title = models.CharField(max_length=120, blank=True)
    delivery_slot = models.CharField(max_length=60, null=True)  # noqa: DJ001
    deliveries = models.JSONField()

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    sku = models.ForeignKey(Sku, models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price = Money()
    is_gift = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"
