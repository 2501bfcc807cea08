"""What the warehouse reports about parcels over HTTP; each report is taken once."""

from typing import ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from changefeed.api.authentication import message_id
from changefeed.inbound import receive_once
from orders.api import lookups
from orders.api.answers import ShipmentAnswer
from orders.api.base import ScopedView, actor_of
from orders.api.requests import ShipmentEventDocument, read
from orders.lifecycle.shipping import record_shipment_event


class ShipmentEventsView(ScopedView):
    """Reports about one parcel."""

    scopes: ClassVar[dict[str, str]] = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="shipments_report",
        summary="Report what happened to a parcel",
        description="`freeze_ack` and `freeze_refused` answer a request to stop. A report with an "
        "`event_id` seen before is answered alike and changes nothing; 409 when it cannot follow "
        "what came before.",
        request=ShipmentEventDocument,
        responses={200: ShipmentAnswer},
        tags=["shipments"],
    )
    def post(self, request: Request, number: str) -> Response:
        report = read(ShipmentEventDocument, request.data)
        lookups.require_readable(number)
        event_id = report.event_id or message_id(request)
        actor = actor_of(request, event_id)
        # The parcel and the event are part of the message's id: a sender that numbers the events
        # of each parcel from one loses none of them. Ids of inbound changes never begin with a
        # space, so that neither can be taken for the other.
        message = f" {number}/{report.event}/{event_id}"
        with transaction.atomic():
            if not event_id or receive_once(actor.source, message):
                record_shipment_event(
                    number, report.event, actor=actor, at=report.at, waybill=report.waybill
                )
        return Response(ShipmentAnswer(lookups.whole_shipment(number)).data)
