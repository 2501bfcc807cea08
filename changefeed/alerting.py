"""Alerts people to what is wrong: each thing once, in digests, and to its end; never too often."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import apprise
import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import ngettext

from changefeed.clock import database_now
from changefeed.models import AlertDigest, FeedAlert

log = structlog.get_logger(__name__)

MOST_LINES = 20
"""Lines of one message about what is wrong; of what is more, only the number is told."""

_TAKEN_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong at this moment; `kind` and `key` say which thing, `figure` how badly."""

    kind: str
    key: int
    name: str
    figure: float


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of alert, of the feed or of an app above it, and how its messages read.

    `line` words one thing that is wrong, `over` its end. What ends within `grace` is not told;
    where `grows`, a larger figure is news again.
    """

    kind: str
    title: str | Promise
    heading: str | Promise
    line: Callable[[FeedAlert], str]
    over: Callable[[FeedAlert], str]
    grace: timedelta = timedelta(0)
    grows: bool = False
    order_by: tuple[str, ...] = ("name", "key")


def is_only_watcher(lock: int) -> bool:
    """Whether no other transaction holds this lock; held until the running one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,))
        return bool(cursor.fetchone()[0])


def remember(topics: Sequence[Topic], found: Iterable[Condition], now: datetime) -> None:
    """Bring the remembered alerts of these topics to what was found, and compose what is due.

    Runs in the transaction of the only watcher of these topics.
    """
    _note([topic.kind for topic in topics], found, now)
    for topic in topics:
        _compose(topic, now)


def send(topics: Sequence[Topic]) -> None:
    """Send what was composed; what no service took is tried again a minute later."""
    now = database_now()
    titles = {topic.kind: topic.title for topic in topics}
    waiting = AlertDigest.objects.exclude(unsent="").filter(kind__in=titles)
    free = Q(taken_until=None) | Q(taken_until__lt=now)
    for kind, text in waiting.filter(free).values_list("kind", "unsent"):
        mine = AlertDigest.objects.filter(free, kind=kind, unsent=text)
        if mine.update(taken_until=now + _TAKEN_FOR) and _notify(titles[kind], text):
            AlertDigest.objects.filter(kind=kind, unsent=text).update(unsent="", taken_until=None)


def on_one_line(name: str) -> str:
    """Whoever may name a thing must not be able to add lines to an alert."""
    return "".join(char if char.isprintable() else " " for char in name)


def _note(kinds: Sequence[str], found: Iterable[Condition], now: datetime) -> None:
    known = {(alert.kind, alert.key): alert for alert in FeedAlert.objects.filter(kind__in=kinds)}
    present = set()
    for one in found:
        present.add((str(one.kind), one.key))
        alert = known.get((str(one.kind), one.key))
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


def _compose(topic: Topic, now: datetime) -> None:
    """The next message of a topic, if there is news and the last one is long enough ago."""
    digest, _made = AlertDigest.objects.get_or_create(kind=topic.kind)
    pause = timedelta(minutes=settings.ALERT_EVERY_MINUTES)
    if digest.unsent or (digest.composed_at and now - digest.composed_at < pause):
        return
    alerts = list(FeedAlert.objects.filter(kind=topic.kind).order_by(*topic.order_by))
    present = [a for a in alerts if a.cleared_at is None and now - a.raised_at >= topic.grace]
    over = [a for a in alerts if a.cleared_at is not None]
    if not over and not any(_is_news(topic, alert) for alert in present):
        return
    with translation.override(settings.LANGUAGE_CODE):
        lines = [str(topic.heading), *_shortened([topic.line(one) for one in present])]
        lines += _shortened([topic.over(one) for one in over])
    digest.unsent, digest.composed_at, digest.taken_until = "\n".join(lines), now, None
    digest.save()
    for alert in present:
        alert.notified_figure = alert.figure
        alert.save(update_fields=["notified_figure"])
    FeedAlert.objects.filter(pk__in=[alert.pk for alert in over]).delete()


def _is_news(topic: Topic, alert: FeedAlert) -> bool:
    """Not told yet, or worse than was told where that counts."""
    if alert.notified_figure is None:
        return True
    return topic.grows and alert.figure > alert.notified_figure


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    if more <= 0:
        return lines
    rest = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
    return [*lines[:MOST_LINES], rest]


def _notify(title: str | Promise, text: str) -> bool:
    """Through every service of ALERT_URLS; without one, into the log."""
    if not settings.ALERT_URLS:
        log.warning("alert", text=text)
        return True
    services = apprise.Apprise()
    for url in settings.ALERT_URLS:
        services.add(url)
    with translation.override(settings.LANGUAGE_CODE):
        said = str(title)
    return bool(services.notify(title=said, body=text))
