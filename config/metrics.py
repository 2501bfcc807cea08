"""The figures that Prometheus reads: counts by state and lag, never anything about a person."""

from django.db.models import Count
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from changefeed.metrics import feed_figures
from orders.models import Hold, Order
from orders.status import BEFORE_DISPATCH, HoldState


def render() -> tuple[bytes, str]:
    """The metrics page and its content type."""
    registry = CollectorRegistry()
    _orders(registry)
    _holds(registry)
    _feed(registry)
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


def _feed(registry: CollectorRegistry) -> None:
    figures = feed_figures()
    names = {
        "pending_lanes": "Subjects with undelivered changes",
        "parked_lanes": "Subjects that wait for a person",
        "oldest_pending_seconds": "Age of the oldest undelivered change",
    }
    for figure, meaning in names.items():
        gauge = Gauge(f"sluice_feed_{figure}", meaning, ["endpoint"], registry=registry)
        for endpoint in figures.endpoints:
            gauge.labels(endpoint.name).set(getattr(endpoint, figure))
    Gauge(
        "sluice_feed_longest_writer_seconds",
        "Age of the oldest writing transaction, which holds pull pages back",
        registry=registry,
    ).set(figures.longest_writer_seconds)
