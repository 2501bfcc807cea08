"""The figures that Prometheus reads: counts by state and lag, never anything about a person."""

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from changefeed.models import FeedLane
from orders.models import Hold, Order
from orders.status import BEFORE_DISPATCH, HoldState


def render() -> tuple[bytes, str]:
    """The metrics page and its content type."""
    registry = CollectorRegistry()
    _orders(registry)
    _holds(registry)
    _lanes(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _orders(registry: CollectorRegistry) -> None:
    gauge = Gauge(
        "sluice_orders", "Orders not yet with a warehouse, by state", ["state"], registry=registry
    )
    counts = dict(
        Order.objects.filter(state__in=BEFORE_DISPATCH)
        .values_list("state")
        .annotate(count=Count("id"))
        .order_by()
    )
    for state in BEFORE_DISPATCH:
        gauge.labels(state).set(counts.get(state, 0))


def _holds(registry: CollectorRegistry) -> None:
    now = timezone.now()
    holds = Hold.objects.filter(state=HoldState.OPEN)
    gauge = Gauge("sluice_open_holds", "Open holds, by owner", ["owner"], registry=registry)
    for owner, count in holds.values_list("owner").annotate(count=Count("id")).order_by():
        gauge.labels(owner).set(count)
    Gauge("sluice_overdue_holds", "Open holds past their due time", registry=registry).set(
        holds.filter(due_at__lt=now).count()
    )


def _lanes(registry: CollectorRegistry) -> None:
    now = timezone.now()
    pending = Gauge(
        "sluice_feed_pending_lanes",
        "Subjects with undelivered changes",
        ["endpoint"],
        registry=registry,
    )
    oldest = Gauge(
        "sluice_feed_oldest_due_seconds",
        "Age of the longest waiting lane",
        ["endpoint"],
        registry=registry,
    )
    rows = FeedLane.objects.values_list("endpoint__name").annotate(
        count=Count("*"), oldest=Min("due_at")
    )
    for name, count, due_at in rows.order_by():
        pending.labels(name).set(count)
        oldest.labels(name).set(max(0.0, (now - due_at).total_seconds()))
