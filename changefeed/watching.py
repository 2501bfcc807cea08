"""Watches the feed: samples its lag, and alerts people to what needs them, not too often."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import apprise
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from changefeed.clock import database_now
from changefeed.consumers import Consumer, consumers
from changefeed.metrics import EndpointLag, endpoint_lags, longest_writer_seconds
from changefeed.models import AlertDigest, AlertKind, EndpointState, FeedAlert, LagSample

log = structlog.get_logger(__name__)

SAMPLES_KEPT_FOR = timedelta(days=8)
# A breaker that closes again within this is nobody's business.
BREAKER_GRACE = timedelta(seconds=30)
_TAKEN_FOR = timedelta(seconds=60)
_WATCH_LOCK = 0x51C1CF


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong at this moment; `key` is the id of an endpoint or of an API key, or 0."""

    kind: AlertKind
    key: int
    name: str
    figure: float


def watch() -> None:
    """Look once: keep a sample, note what is wrong and what no longer is, tell what is due.

    Two at once are as one: the second leaves without doing anything. Texts are composed in one
    transaction and sent after it, so none is lost and none sent twice while services answer.
    """
    lags = endpoint_lags()
    with transaction.atomic():
        if not _is_only_watcher():
            return
        now = database_now()
        _keep_samples(lags, now)
        pulling = consumers(now, timedelta(days=settings.FEED_RETENTION_DAYS))
        _note(conditions(lags, pulling, longest_writer_seconds()), now)
        for kind in AlertKind:
            _compose(kind, now)
    _send()


def conditions(
    lags: Iterable[EndpointLag], pulling: Iterable[Consumer], longest_writer: float
) -> list[Condition]:
    """What is wrong according to these figures."""
    found = []
    for lag in lags:
        if lag.parked_lanes:
            found.append(Condition(AlertKind.PARKED, lag.endpoint_id, lag.name, lag.parked_lanes))
        if lag.state in (EndpointState.OPEN, EndpointState.HALF_OPEN):
            found.append(Condition(AlertKind.BREAKER, lag.endpoint_id, lag.name, lag.pending_lanes))
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


def _is_only_watcher() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_WATCH_LOCK,))
        return bool(cursor.fetchone()[0])


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


def _note(found: Iterable[Condition], now: datetime) -> None:
    """Bring the remembered alerts to what was found."""
    known = {(alert.kind, alert.key): alert for alert in FeedAlert.objects.all()}
    present = set()
    for one in found:
        present.add((one.kind.value, one.key))
        alert = known.get((one.kind.value, one.key))
        if alert is None:
            alert = FeedAlert(kind=one.kind, key=one.key, raised_at=now)
        elif alert.cleared_at is not None:
            alert.raised_at, alert.cleared_at = now, None
        alert.name, alert.figure = one.name, one.figure
        alert.save()
    for key, alert in known.items():
        if key in present or alert.cleared_at is not None:
            continue
        if alert.notified_figure is None:
            alert.delete()
        else:
            alert.cleared_at = now
            alert.save(update_fields=["cleared_at"])


def _compose(kind: AlertKind, now: datetime) -> None:
    """The next message of a kind, if there is news and the last one is long enough ago."""
    digest, _made = AlertDigest.objects.get_or_create(kind=kind)
    pause = timedelta(minutes=settings.ALERT_EVERY_MINUTES)
    if digest.unsent or (digest.composed_at and now - digest.composed_at < pause):
        return
    alerts = list(FeedAlert.objects.filter(kind=kind).order_by("name", "key"))
    grace = BREAKER_GRACE if kind is AlertKind.BREAKER else timedelta(0)
    present = [a for a in alerts if a.cleared_at is None and now - a.raised_at >= grace]
    over = [a for a in alerts if a.cleared_at is not None]
    if not over and not any(_is_news(alert) for alert in present):
        return
    with translation.override(settings.LANGUAGE_CODE):
        lines = [str(kind.label), *map(_line, present)]
        lines += [
            _("%(name)s: over") % {"name": _on_one_line(alert.name) or _("feed")} for alert in over
        ]
    digest.unsent, digest.composed_at, digest.taken_until = "\n".join(lines), now, None
    digest.save()
    for alert in present:
        alert.notified_figure = alert.figure
        alert.save(update_fields=["notified_figure"])
    FeedAlert.objects.filter(pk__in=[alert.pk for alert in over]).delete()


def _is_news(alert: FeedAlert) -> bool:
    """Not told yet, or more subjects are parked than were told."""
    if alert.notified_figure is None:
        return True
    return alert.kind == AlertKind.PARKED and alert.figure > alert.notified_figure


def _line(alert: FeedAlert) -> str:
    """One alert in words: an endpoint's name and a figure, nothing of any subject or address."""
    count = round(alert.figure)
    named = {"name": _on_one_line(alert.name), "count": count}
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
        case AlertKind.LAG:
            return _("%(name)s: behind by %(count)d s") % named
        case AlertKind.CONSUMER:
            minutes = int(alert.figure // 60)
            if minutes < 120:
                return _("%(name)s: has not asked for %(count)d min") % {**named, "count": minutes}
            return _("%(name)s: has not asked for %(count)d h") % {**named, "count": minutes // 60}
        case _:
            return _("A writing transaction has been open for %(count)d s.") % named


def _on_one_line(name: str) -> str:
    """Whoever may name an endpoint must not be able to add lines to an alert."""
    return "".join(char if char.isprintable() else " " for char in name)


def _send() -> None:
    """Send what was composed; what no service took is tried again a minute later."""
    now = database_now()
    waiting = AlertDigest.objects.exclude(unsent="")
    free = Q(taken_until=None) | Q(taken_until__lt=now)
    for kind, text in waiting.filter(free).values_list("kind", "unsent"):
        mine = AlertDigest.objects.filter(free, kind=kind, unsent=text)
        if mine.update(taken_until=now + _TAKEN_FOR) and _notify(text):
            AlertDigest.objects.filter(kind=kind, unsent=text).update(unsent="", taken_until=None)


def _notify(text: str) -> bool:
    """Through every service of ALERT_URLS; without one, into the log."""
    if not settings.ALERT_URLS:
        log.warning("alert", text=text)
        return True
    services = apprise.Apprise()
    for url in settings.ALERT_URLS:
        services.add(url)
    with translation.override(settings.LANGUAGE_CODE):
        title = _("Sluice change feed")
    return bool(services.notify(title=title, body=text))
