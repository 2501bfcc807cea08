"""Acts on coupons that a channel has tied to main stock."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from orders.actors import Actor
from orders.models import ChannelCoupon


@dataclass(frozen=True, slots=True)
class CouponLink:
    """A coupon code of a channel, by the channel's id; `name` is for people."""

    channel_id: int
    code: str
    name: str = ""


@transaction.atomic
def link_coupons(links: Sequence[CouponLink], *, actor: Actor) -> int:
    """Tie coupons to main stock, all or none; known ones get their new name. Returns how many.

    Of a code given twice for one channel the last name counts.
    """
    actor.begin()
    rows = {(link.channel_id, link.code): link for link in links}
    ChannelCoupon.objects.bulk_create(
        (
            ChannelCoupon(channel_id=link.channel_id, code=link.code, name=link.name)
            for _key, link in sorted(rows.items())
        ),
        update_conflicts=True,
        unique_fields=["channel", "code"],
        update_fields=["name"],
        batch_size=5_000,
    )
    return len(rows)
