"""How many units lie where, and the ledger of every change to that."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.catalogue import Sku, Warehouse
from orders.status import StockMove


class Stock(models.Model):
    """Units of one SKU in one warehouse; `on_hand` includes what is `reserved`."""

    sku = models.ForeignKey(Sku, models.PROTECT, related_name="stocks", verbose_name=_("SKU"))
    warehouse = models.ForeignKey(
        Warehouse, models.PROTECT, related_name="stocks", verbose_name=_("warehouse")
    )
    on_hand = models.IntegerField(_("on hand"), default=0)
    reserved = models.IntegerField(_("reserved"), default=0)

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        constraints = [
            models.UniqueConstraint(fields=["sku", "warehouse"], name="one_stock_row"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved__lte=F("on_hand")),
                name="stock_never_oversold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku.code} · {self.warehouse.code}"

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


class StockEntry(models.Model):
    """One line of the stock ledger; the deltas of a stock row sum up to its figures."""

    stock = models.ForeignKey(
        Stock, models.PROTECT, related_name="entries", verbose_name=_("stock")
    )
    move = models.CharField(_("move"), max_length=10, choices=StockMove.choices)
    on_hand_delta = models.IntegerField(_("change on hand"), default=0)
    reserved_delta = models.IntegerField(_("change reserved"), default=0)
    order_number = models.CharField(_("order number"), max_length=64, blank=True)
    actor = models.CharField(_("actor"), max_length=160)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("stock ledger entry")
        verbose_name_plural = _("stock ledger")
        constraints = [
            models.CheckConstraint(condition=Q(move__in=StockMove.values), name="stock_move_known"),
            models.CheckConstraint(
                condition=~Q(on_hand_delta=0, reserved_delta=0), name="stock_entry_moves_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["order_number"], condition=~Q(order_number=""), name="stock_entry_by_order"
            )
        ]

    def __str__(self) -> str:
        return f"{self.move} {self.on_hand_delta:+d}/{self.reserved_delta:+d}"
