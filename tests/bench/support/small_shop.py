"""A shop's twelve minutes: 200 orders taken in, screened, sent on their way by the real acts."""

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from orders.actors import Actor, user_actor
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import release_hold
from orders.lifecycle.placing import Outcome, place_orders
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Hold, Order, Shipment
from tests.bench.support import documents, world
from tests.factories import make_user

XINJIANG = ("新疆维吾尔自治区", "乌鲁木齐市", "天山区")
HELD_OF_200 = 25
STILL_HELD = 1
COUPON = {"code": "LIVE10", "type": "满299减100", "discount": "0.00"}


def make(count: int) -> str:
    """Place so many orders; most arrive, some are on their way, one stays held.

    The cookie of a signed-in supervisor.
    """
    world.load_world(endpoints=0)
    shop, wms = Actor("key:bench", "bench"), Actor("key:wms", "wms")
    made = []
    for index, document in enumerate(documents.documents("N", count)):
        if index < HELD_OF_200:
            place = dict(zip(("province", "city", "district"), XINJIANG, strict=True))
            document = {
                **document,
                "ship_to": document["ship_to"] | place,
                "coupons": [COUPON],
                "livestream_room": "austin-1111" if index % 2 else None,
            }
        made.append(document)
    answers = place_orders(made, actor=shop)
    if wrong := [one for one in answers if one.outcome is not Outcome.CREATED]:
        raise RuntimeError(f"not taken in: {wrong[0]}")
    supervisor = make_user("supervisor", is_superuser=True)
    held = list(Hold.objects.filter(state="open").order_by("id"))
    if len(held) < HELD_OF_200:
        raise RuntimeError(f"only {len(held)} orders were held")
    for hold in held[STILL_HELD:]:
        release_hold(hold.pk, actor=user_actor(supervisor), reason="经电话确认")
    while dispatch_ready():
        pass
    shipments = list(Shipment.objects.order_by("id"))
    for index, shipment in enumerate(shipments):
        for event in ("picked", "shipped", "delivered")[: 3 if index % 8 else index % 3]:
            record_shipment_event(shipment.number, event, actor=wms)
    return _cookie(supervisor)


def known() -> dict[str, Any]:
    """What a person would look for: numbers, a phone, orders."""
    some = Order.objects.filter(state="delivered").select_related("customer").first()
    held = Order.objects.filter(state="on_hold").first()
    assert some is not None
    assert held is not None
    return {
        "number": some.number,
        "phone": some.customer.phone.replace("+86", ""),
        "order": some.pk,
        "held": held.number,
        "held_order": held.pk,
    }


def _cookie(user: Any) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}"
