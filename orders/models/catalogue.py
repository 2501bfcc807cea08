"""What is sold, where it is sold, and what routing may assign."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.status import Temperature


class Coded(models.Model):
    """A small reference record known to people and other systems by its code."""

    code = models.CharField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        abstract = True
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}" if self.name != self.code else self.code


class Channel(Coded):
    """A sales channel; finance reconciles by it."""

    class Meta(Coded.Meta):
        verbose_name = _("sales channel")
        verbose_name_plural = _("sales channels")


class Warehouse(Coded):
    """A place that packs; `priority` 1 is tried first when no rule names one."""

    priority = models.PositiveSmallIntegerField(_("priority"), default=100)

    class Meta(Coded.Meta):
        ordering = ["priority", "code"]
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")


class Courier(Coded):
    class Meta(Coded.Meta):
        verbose_name = _("courier")
        verbose_name_plural = _("couriers")


class Packaging(Coded):
    class Meta(Coded.Meta):
        verbose_name = _("packaging")
        verbose_name_plural = _("packagings")


class Sku(Coded):
    """A sellable unit with the traits that routing and screening ask about."""

    category = models.CharField(_("category"), max_length=64, blank=True)
    temperature = models.CharField(
        _("temperature class"),
        max_length=10,
        choices=Temperature.choices,
        default=Temperature.AMBIENT,
    )
    is_fragile = models.BooleanField(_("fragile"), default=False)
    high_price_threshold = models.DecimalField(
        _("high-price threshold"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("A unit price at or above it counts as high-priced."),
    )
    presale_ship_date = models.DateField(_("presale ship date"), null=True, blank=True)

    class Meta(Coded.Meta):
        verbose_name = _("SKU")
        verbose_name_plural = _("SKUs")
        constraints = [
            models.CheckConstraint(
                condition=Q(temperature__in=Temperature.values), name="sku_temperature_known"
            )
        ]


class SettlementPrice(models.Model):
    """The unit price at which a channel settles one SKU."""

    channel = models.ForeignKey(
        Channel, models.CASCADE, related_name="settlement_prices", verbose_name=_("sales channel")
    )
    sku = models.ForeignKey(
        Sku, models.CASCADE, related_name="settlement_prices", verbose_name=_("SKU")
    )
    price = models.DecimalField(_("settlement price"), max_digits=12, decimal_places=2)

    class Meta:
        verbose_name = _("settlement price")
        verbose_name_plural = _("settlement prices")
        constraints = [
            models.UniqueConstraint(fields=["channel", "sku"], name="one_settlement_price"),
            models.CheckConstraint(condition=Q(price__gte=0), name="settlement_price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.sku_id} {self.price}"


class ChannelCoupon(models.Model):
    """A coupon that a channel has tied to main stock; one that is not listed may oversell."""

    channel = models.ForeignKey(
        Channel, models.CASCADE, related_name="coupons", verbose_name=_("sales channel")
    )
    code = models.CharField(_("coupon code"), max_length=64)
    name = models.CharField(_("name"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("linked coupon")
        verbose_name_plural = _("linked coupons")
        ordering = ["channel", "code"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "code"], name="one_linked_coupon"),
            models.CheckConstraint(condition=~Q(code=""), name="linked_coupon_has_a_code"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.code}"
