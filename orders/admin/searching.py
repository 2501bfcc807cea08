"""Finding orders by what people hold in their hands; every lookup is one of an index."""

from orders.models import Customer, Order, Shipment
from orders.phones import InvalidPhone, parse_phone

MOST = 500
SHORTEST_PREFIX = 3


def order_ids(text: str) -> list[int]:
    """At most MOST ids, newest first, of orders that `text` names.

    It may be an order number or how one begins, a parcel number, a customer number, or a
    customer's phone number; letters also match in upper case.
    """
    text = text.strip()
    if not text or "\x00" in text:
        return []
    spellings = {text, text.upper()}
    found = set(Order.objects.filter(number__in=spellings).values_list("pk", flat=True))
    if found:
        return sorted(found, reverse=True)
    if len(text) >= SHORTEST_PREFIX:
        for spelling in spellings:
            numbers = Order.objects.filter(number__startswith=spelling).order_by("number")
            found |= set(numbers.values_list("pk", flat=True)[:MOST])
    parcels = Shipment.objects.filter(number__in=spellings).exclude(state="cancelled")
    found |= set(parcels.values_list("order_id", flat=True)[:MOST])
    if customers := _customers(text, spellings):
        orders = Order.objects.filter(customer_id__in=customers).order_by("-placed_at")
        found |= set(orders.values_list("pk", flat=True)[:MOST])
    return sorted(found, reverse=True)[:MOST]


def _customers(text: str, spellings: set[str]) -> list[int]:
    found = list(
        Customer.objects.filter(external_id__in=spellings).values_list("pk", flat=True)[:50]
    )
    return found or customers_by_phone(text)


def customers_by_phone(text: str) -> list[int]:
    """Customers whose number this is; a masked number names nobody."""
    try:
        phone = parse_phone(text)
    except InvalidPhone:
        return []
    if phone.is_masked:
        return []
    return list(Customer.objects.filter(phone=phone.value).values_list("pk", flat=True)[:50])
