"""Sign-in with phone and one-time code (django-allauth), for customers on record only."""

import ipaddress
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from orders.models import Customer
from orders.phones import InvalidPhone, parse_phone
from orders.tasks import send_login_code


class PhoneField(forms.CharField):
    """A mobile number in any writing, cleaned to E.164."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"type": "tel", "autocomplete": "tel", "inputmode": "tel", "autofocus": True}
        super().__init__(
            label=_("Phone"), max_length=40, widget=forms.TextInput(attributes), **kwargs
        )

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            phone = parse_phone(text)
        except InvalidPhone as invalid:
            raise ValidationError(str(invalid.message), code=invalid.code) from None
        if phone.kind != "plain":
            raise ValidationError(_("Enter a mobile number."), code="not_mobile")
        return phone.value


class PhoneAdapter(DefaultAccountAdapter):
    """Finds the customer behind a phone; nobody can sign up, and strangers learn nothing."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def phone_form_field(self, **kwargs: Any) -> PhoneField:
        return PhoneField(**kwargs)

    def get_user_by_phone(self, phone: str) -> User | None:
        """The portal login of the customer with this phone, made at the first call.

        A login is written in every case and taken back where it is not wanted, so that known and
        unknown numbers take the same time.
        """
        customer = (
            Customer.objects.filter(phone=phone).select_related("user").order_by("-pk").first()
        )
        wanted = customer is not None and customer.user_id is None
        with transaction.atomic():
            user = User(username=f"portal-{get_random_string(24)}")
            user.set_unusable_password()
            user.save()
            if not wanted:
                transaction.set_rollback(True)
        if customer is None:
            return None
        if wanted:
            taken = Customer.objects.filter(pk=customer.pk, user=None).update(user=user)
            if not taken:
                customer.refresh_from_db()
                return customer.user
            return user
        return customer.user

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        send_login_code.delay(phone, code)

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        """Takes the same path and time; the job drops a message without a code."""
        send_login_code.delay(phone, "")

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        customer = Customer.objects.filter(user=user).first()
        return (customer.phone, True) if customer and customer.phone else None

    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        """Phones are kept true by the CRM, not by the portal."""

    def set_phone_verified(self, user: Any, phone: str) -> None:
        """A phone on record counts as verified."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that limits count; an IPv6 neighbour with its whole /64 counts as one."""
        text = super().get_client_ip(request)
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, 64), strict=False).network_address)
        return text
