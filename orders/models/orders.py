"""The order as bought, its lines, and the records of what was done to it."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from orders import triggers
from orders.models.catalogue import Channel, Courier, Packaging, Sku, Warehouse
from orders.models.customers import Customer
from orders.querysets import OrderQuerySet
from orders.status import BEFORE_DISPATCH, OrderState


class Order(ConcurrentTransitionMixin, models.Model):
    """One order of a platform, by its `number`; `version` counts its key-field changes.

    The database raises `version` itself (see orders.triggers), so a copy in memory may be older.
    """

    number = models.CharField(_("order number"), max_length=64, unique=True)
    channel = models.ForeignKey(
        Channel, models.PROTECT, related_name="orders", db_index=False, verbose_name=_("channel")
    )
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        related_name="orders",
        db_index=False,
        verbose_name=_("customer"),
    )
    state = FSMField(
        _("state"),
        max_length=10,
        choices=OrderState.choices,
        default=OrderState.RECEIVED,
        protected=True,
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    source = models.CharField(_("source"), max_length=50, editable=False)
    idempotency_key = models.CharField(
        _("idempotency key"), max_length=120, blank=True, default="", editable=False
    )
    body_hash = models.CharField(_("body hash"), max_length=64, editable=False)

    placed_at = models.DateTimeField(_("placed at"))
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    dispatch_after = models.DateTimeField(
        _("dispatch not before"), null=True, blank=True, help_text=_("Set for presale orders.")
    )
    dispatched_at = models.DateTimeField(_("dispatched at"), null=True, blank=True)

    currency = models.CharField(_("currency"), max_length=3)
    goods_total = models.DecimalField(_("goods total"), max_digits=12, decimal_places=2)
    discount_total = models.DecimalField(_("discount"), max_digits=12, decimal_places=2)
    shipping_total = models.DecimalField(_("shipping"), max_digits=12, decimal_places=2)
    grand_total = models.DecimalField(_("amount paid"), max_digits=12, decimal_places=2)
    coupons = models.JSONField(_("coupons"), default=list, blank=True)

    urgent = models.BooleanField(_("urgent"), default=False)
    presale = models.BooleanField(_("presale"), default=False)
    livestream_room = models.CharField(_("livestream room"), max_length=64, blank=True)
    parent_number = models.CharField(_("parent order"), max_length=64, blank=True)
    gift_for_number = models.CharField(_("gift for order"), max_length=64, blank=True)
    merged_into_number = models.CharField(_("merged into order"), max_length=64, blank=True)
    split_into = models.PositiveSmallIntegerField(
        _("number of child orders"), db_default=0, default=0, editable=False
    )
    deliveries = models.JSONField(_("delivery plan"), default=list, blank=True)

    ship_name = models.CharField(_("recipient"), max_length=120)
    ship_phone = models.CharField(_("recipient's phone"), max_length=32, blank=True)
    ship_phone_masked = models.CharField(_("masked phone"), max_length=32, blank=True)
    ship_phone_hash = models.CharField(_("platform's phone hash"), max_length=128, blank=True)
    province = models.CharField(_("province"), max_length=40)
    city = models.CharField(_("city"), max_length=60, blank=True)
    district = models.CharField(_("district"), max_length=60, blank=True)
    street = models.CharField(_("street address"), max_length=255)
    address_key = models.CharField(max_length=64, editable=False)

    buyer_remark = models.TextField(_("buyer's remark"), blank=True)
    seller_remark = models.TextField(_("seller's remark"), blank=True)
    invoice_title = models.CharField(_("invoice title"), max_length=120, blank=True)
    delivery_slot = models.CharField(_("delivery slot"), max_length=60, blank=True)

    tags = ArrayField(models.CharField(max_length=64), verbose_name=_("tags"), default=list)
    warehouse = models.ForeignKey(
        Warehouse,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="orders",
        verbose_name=_("warehouse"),
    )
    courier = models.ForeignKey(
        Courier,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="orders",
        verbose_name=_("courier"),
    )
    packaging = models.ForeignKey(
        Packaging,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="orders",
        verbose_name=_("packaging"),
    )
    lane = models.CharField(_("lane"), max_length=64, blank=True)
    print_priority = models.PositiveSmallIntegerField(_("print priority"), null=True, blank=True)
    manual_slots = ArrayField(
        models.CharField(max_length=20),
        verbose_name=_("slots chosen by a person"),
        default=list,
        blank=True,
    )
    stock_warehouse = models.ForeignKey(
        Warehouse,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("stock reserved at"),
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="order_state_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    goods_total__gte=0,
                    discount_total__gte=0,
                    shipping_total__gte=0,
                    grand_total__gte=0,
                ),
                name="order_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    grand_total=models.F("goods_total")
                    - models.F("discount_total")
                    + models.F("shipping_total")
                ),
                name="order_amounts_add_up",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["dispatched", "shipped", "delivered"])
                | Q(dispatched_at__isnull=False),
                name="dispatched_order_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(ship_phone__contains="*"), name="ship_phone_is_not_masked"
            ),
            models.UniqueConstraint(
                fields=["source", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_order_per_idempotency_key",
            ),
        ]
        indexes = [
            models.Index(
                fields=["customer", "placed_at"],
                include=["grand_total", "state"],
                name="order_by_customer",
            ),
            models.Index(fields=["address_key", "placed_at"], name="order_by_address"),
            models.Index(
                fields=["dispatch_after", "id"], condition=Q(state="ready"), name="order_ready"
            ),
            models.Index(fields=["id"], condition=Q(state="on_hold"), name="order_on_hold"),
            models.Index(
                fields=["parent_number"], condition=~Q(parent_number=""), name="order_by_parent"
            ),
            models.Index(
                fields=["gift_for_number"],
                condition=~Q(gift_for_number=""),
                name="order_by_gift_for",
            ),
            models.Index(
                fields=["merged_into_number"],
                condition=~Q(merged_into_number=""),
                name="order_by_merged_into",
            ),
        ]
        triggers = triggers.ORDER

    def __str__(self) -> str:
        return self.number

    @property
    def address(self) -> str:
        """The whole delivery address in one line; a municipality is named once."""
        city = "" if self.city == self.province else self.city
        return f"{self.province}{city}{self.district}{self.street}"

    @transition(field=state, source=OrderState.RECEIVED, target=OrderState.READY)
    def mark_clean(self) -> None:
        """Screening found nothing."""

    @transition(
        field=state,
        source=[OrderState.RECEIVED, OrderState.READY, OrderState.DISPATCHED],
        target=OrderState.ON_HOLD,
    )
    def mark_held(self) -> None:
        """A reason not to ship appeared, or a warehouse confirmed that it stopped."""
        self.dispatched_at = None

    @transition(field=state, source=OrderState.ON_HOLD, target=OrderState.READY)
    def mark_cleared(self) -> None:
        """The last blocking hold was lifted."""

    @transition(
        field=state, source=[OrderState.ON_HOLD, OrderState.READY], target=OrderState.RECEIVED
    )
    def mark_waiting(self) -> None:
        """Nothing holds it, but no rule sends it on yet: it is not paid, for instance."""

    @transition(field=state, source=OrderState.READY, target=OrderState.DISPATCHED)
    def mark_dispatched(self, at: Any) -> None:
        """The warehouse was told to pack."""
        self.dispatched_at = at

    @transition(field=state, source=OrderState.DISPATCHED, target=OrderState.SHIPPED)
    def mark_shipped(self) -> None:
        """Every parcel left."""

    @transition(field=state, source=OrderState.SHIPPED, target=OrderState.DELIVERED)
    def mark_delivered(self) -> None:
        """Every parcel arrived."""

    @transition(
        field=state,
        source=[*BEFORE_DISPATCH, OrderState.DISPATCHED],
        target=OrderState.CANCELLED,
    )
    def mark_cancelled(self) -> None:
        """Nothing will be shipped."""


class OrderLine(models.Model):
    """One SKU of an order; `settlement_price` is the channel's price when the order came."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", verbose_name=_("order"))
    position = models.PositiveSmallIntegerField(_("position"))
    sku = models.ForeignKey(
        Sku, models.PROTECT, related_name="+", db_index=False, verbose_name=_("SKU")
    )
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price = models.DecimalField(_("unit price"), max_digits=12, decimal_places=2)
    settlement_price = models.DecimalField(
        _("settlement price"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    is_gift = models.BooleanField(_("gift"), default=False)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["order_id", "position"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="line_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="line_price_not_negative"),
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
        ]
        triggers = triggers.LINES

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"


class Effect(models.Model):
    """The run-once ledger: a row says that `key` happened for the order and never will again."""

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="effects", verbose_name=_("order")
    )
    key = models.CharField(_("effect"), max_length=80)
    rule_key = models.CharField(_("rule"), max_length=80, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("effect")
        verbose_name_plural = _("effects")
        constraints = [models.UniqueConstraint(fields=["order", "key"], name="effect_runs_once")]

    def __str__(self) -> str:
        return self.key


class TimelineEntry(models.Model):
    """An act on an order: who did what, when and why."""

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="timeline", verbose_name=_("order")
    )
    act = models.CharField(_("act"), max_length=40)
    actor = models.CharField(_("actor"), max_length=160)
    source = models.CharField(_("source"), max_length=50, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline")
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.act} · {self.actor}"
