"""Acts on what is known of a customer."""

from datetime import datetime

from django.db import transaction

from orders.actors import Actor
from orders.models import ReturnRecord


@transaction.atomic
def record_return(
    customer_id: int, *, reference: str, order_number: str, at: datetime, actor: Actor
) -> ReturnRecord:
    """Count a return in the customer's return facts; the same reference counts once."""
    actor.begin()
    record, _created = ReturnRecord.objects.get_or_create(
        reference=reference,
        defaults={"customer_id": customer_id, "order_number": order_number, "at": at},
    )
    return record


@transaction.atomic
def forget_return(reference: str, *, actor: Actor) -> None:
    """Take back a return that came to nothing."""
    actor.begin()
    ReturnRecord.objects.filter(reference=reference).delete()
