"""The people who buy, as screening and service need to know them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders import triggers


class Customer(models.Model):
    """A buyer, known to other systems by `external_id` and to the portal by `public_id`."""

    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    external_id = models.CharField(_("customer number"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    phone_hash = models.CharField(
        _("platform's phone hash"), max_length=128, blank=True, editable=False
    )
    registered_at = models.DateTimeField(_("registered at"), null=True, blank=True)
    crm_grade = models.CharField(_("CRM grade"), max_length=16, blank=True)
    is_employee = models.BooleanField(_("employee"), default=False)
    sign_for_rate = models.DecimalField(
        _("courier sign-for rate"), max_digits=4, decimal_places=3, null=True, blank=True
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="customer",
        verbose_name=_("portal login"),
    )

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.CheckConstraint(
                condition=Q(sign_for_rate__isnull=True)
                | Q(sign_for_rate__gte=0, sign_for_rate__lte=1),
                name="sign_for_rate_is_a_share",
            ),
            models.CheckConstraint(condition=~Q(phone__contains="*"), name="phone_is_not_masked"),
        ]
        indexes = [models.Index(fields=["phone"], condition=~Q(phone=""), name="customer_by_phone")]
        triggers = triggers.CUSTOMER

    def __str__(self) -> str:
        return self.external_id


class ReturnRecord(models.Model):
    """One return that counts in the customer's return facts; written by the owner of returns."""

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="return_records", verbose_name=_("customer")
    )
    reference = models.CharField(_("reference"), max_length=80, unique=True)
    order_number = models.CharField(_("order number"), max_length=64, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("return on record")
        verbose_name_plural = _("returns on record")
        indexes = [models.Index(fields=["customer", "at"], name="return_by_customer")]

    def __str__(self) -> str:
        return self.reference
