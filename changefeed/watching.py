"""Watches the feed: samples its lag, and says what about it people are to be alerted to."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from changefeed.alerting import Condition, Topic, is_only_watcher, on_one_line, remember, send
from changefeed.clock import database_now
from changefeed.consumers import Consumer, consumers
from changefeed.metrics import EndpointLag, endpoint_lags, longest_writer_seconds
from changefeed.models import AlertKind, EndpointState, FeedAlert, LagSample

SAMPLES_KEPT_FOR = timedelta(days=8)
# A breaker that closes again within this is nobody's business.
BREAKER_GRACE = timedelta(seconds=30)
_WATCH_LOCK = 0x51C1CF


def watch() -> None:
    """Look once: keep a sample, note what is wrong and what no longer is, tell what is due.

    Two at once are as one: the second leaves without doing anything. Texts are composed in one
    transaction and sent after it, so none is lost and none sent twice while services answer.
    """
    lags = endpoint_lags()
    with transaction.atomic():
        if not is_only_watcher(_WATCH_LOCK):
            return
        now = database_now()
        _keep_samples(lags, now)
        pulling = consumers(now, timedelta(days=settings.FEED_RETENTION_DAYS))
        remember(TOPICS, conditions(lags, pulling, longest_writer_seconds()), now)
    send(TOPICS)


def conditions(
    lags: Iterable[EndpointLag], pulling: Iterable[Consumer], longest_writer: float
) -> list[Condition]:
    """What is wrong according to these figures.

    Keys are ids of endpoints or of API keys, or 0.
    """
    found = []
    for lag in lags:
        if lag.parked_lanes:
            found.append(Condition(AlertKind.PARKED, lag.endpoint_id, lag.name, lag.parked_lanes))
        if lag.state in (EndpointState.OPEN, EndpointState.HALF_OPEN):
            found.append(Condition(AlertKind.BREAKER, lag.endpoint_id, lag.name, lag.pending_lanes))
        if lag.is_gone:
            found.append(Condition(AlertKind.GONE, lag.endpoint_id, lag.name, lag.pending_lanes))
        behind = lag.oldest_moving_seconds
        if behind >= settings.FEED_ALERT_LAG_SECONDS:
            found.append(Condition(AlertKind.LAG, lag.endpoint_id, lag.name, behind))
    for one in pulling:
        if one.is_silent:
            silent = Condition(AlertKind.CONSUMER, one.key.pk, one.key.name, one.silent_seconds)
            found.append(silent)
    if longest_writer >= settings.FEED_ALERT_WRITER_SECONDS:
        found.append(Condition(AlertKind.WRITER, 0, "", longest_writer))
    return found


def _keep_samples(lags: Iterable[EndpointLag], now: datetime) -> None:
    minute = now.replace(second=0, microsecond=0)
    LagSample.objects.bulk_create(
        [
            LagSample(
                endpoint_id=lag.endpoint_id,
                at=minute,
                pending_lanes=lag.pending_lanes,
                parked_lanes=lag.parked_lanes,
                oldest_pending_seconds=lag.oldest_pending_seconds,
            )
            for lag in lags
        ],
        ignore_conflicts=True,
    )
    LagSample.objects.filter(at__lt=now - SAMPLES_KEPT_FOR).delete()


def _line(alert: FeedAlert) -> str:
    """One alert in words: an endpoint's name and a figure, nothing of any subject or address."""
    count = round(alert.figure)
    named = {"name": on_one_line(alert.name), "count": count}
    match alert.kind:
        case AlertKind.PARKED:
            return (
                ngettext(
                    "%(name)s: %(count)d subject parked",
                    "%(name)s: %(count)d subjects parked",
                    count,
                )
                % named
            )
        case AlertKind.BREAKER:
            return (
                ngettext(
                    "%(name)s: not answering, %(count)d subject waiting",
                    "%(name)s: not answering, %(count)d subjects waiting",
                    count,
                )
                % named
            )
        case AlertKind.GONE:
            return (
                ngettext(
                    "%(name)s: takes no more messages at its address and is paused, "
                    "%(count)d subject waiting",
                    "%(name)s: takes no more messages at its address and is paused, "
                    "%(count)d subjects waiting",
                    count,
                )
                % named
            )
        case AlertKind.LAG:
            return _("%(name)s: behind by %(count)d s") % named
        case AlertKind.CONSUMER:
            minutes = int(alert.figure // 60)
            if minutes < 120:
                return _("%(name)s: has not asked for %(count)d min") % {**named, "count": minutes}
            return _("%(name)s: has not asked for %(count)d h") % {**named, "count": minutes // 60}
        case _:
            return _("A writing transaction has been open for %(count)d s.") % named


def _over(alert: FeedAlert) -> str:
    return _("%(name)s: over") % {"name": on_one_line(alert.name) or _("feed")}


TOPICS = [
    Topic(
        kind.value,
        title=gettext_lazy("Sluice change feed"),
        heading=kind.label,
        line=_line,
        over=_over,
        grace=BREAKER_GRACE if kind is AlertKind.BREAKER else timedelta(0),
        grows=kind is AlertKind.PARKED,
    )
    for kind in AlertKind
]
