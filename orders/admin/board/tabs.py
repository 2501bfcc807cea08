"""The board's saved views with their counts, and the filters that narrow them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.admin.searching import order_ids
from orders.models import Hold
from orders.status import FollowUp, HoldOwner, HoldState, Risk

OPEN = Q(state=HoldState.OPEN)


@dataclass(frozen=True, slots=True)
class Tab:
    """A saved view; `rows` selects its holds for a person at a moment."""

    key: str
    title: Any
    rows: Callable[[User, datetime], Q]
    of_open: bool = True


def start_of_today(now: datetime) -> datetime:
    """Midnight of the active zone."""
    day = timezone.localtime(now).date()
    return timezone.make_aware(datetime.combine(day, time.min))


TABS = (
    Tab("open", _("All open"), lambda user, now: OPEN),
    Tab("overdue", _("Overdue"), lambda user, now: OPEN & Q(due_at__lte=now)),
    Tab("high", _("High risk"), lambda user, now: OPEN & Q(risk=Risk.HIGH)),
    Tab("mine", _("Mine"), lambda user, now: OPEN & Q(claimed_by=user, claimed_until__gt=now)),
    Tab("short", _("Stock short"), lambda user, now: OPEN & Q(owner=HoldOwner.STOCK)),
    Tab(
        "correction",
        _("Waiting for correction"),
        lambda user, now: Q(
            state=HoldState.UPHELD, follow_up=FollowUp.CORRECTION, corrected_at__isnull=True
        ),
        of_open=False,
    ),
    Tab(
        "resolved",
        _("Resolved today"),
        lambda user, now: ~OPEN & Q(resolved_at__gte=start_of_today(now)),
        of_open=False,
    ),
)
BY_KEY = {tab.key: tab for tab in TABS}


@dataclass(frozen=True, slots=True)
class BoardView:
    """What the board shows: a saved view, narrowed; survives in `query` from page to page."""

    tab: Tab
    search: str = ""
    cause: str = ""
    channel: str = ""

    @classmethod
    def read(cls, params: QueryDict | dict[str, str]) -> "BoardView":
        """From a query string; unknown values mean the default."""
        return cls(
            BY_KEY.get(params.get("view", ""), TABS[0]),
            params.get("q", "").strip()[:80],
            params.get("cause", "")[:100],
            params.get("channel", "")[:64],
        )

    @property
    def query(self) -> str:
        given = {
            "view": self.tab.key,
            "q": self.search,
            "cause": self.cause,
            "channel": self.channel,
        }
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.cause or self.channel)

    def holds(self, user: User, now: datetime) -> "QuerySet[Hold]":
        """The holds of this view, without an order."""
        rows = Hold.objects.filter(self.tab.rows(user, now))
        if self.search:
            rows = rows.filter(order_id__in=order_ids(self.search))
        if self.cause:
            owner, _colon, rule = self.cause.partition(":")
            rows = rows.filter(owner=owner, **({"rule_key": rule} if rule else {}))
        if self.channel:
            rows = rows.filter(order__channel__code=self.channel)
        return rows


def counts(user: User, now: datetime) -> dict[str, int]:
    """How many holds each saved view has; one scan of the open ones and two of small indexes."""
    of_open: dict[str, int] = Hold.objects.open().aggregate(
        **{tab.key: Count("id", filter=tab.rows(user, now)) for tab in TABS if tab.of_open}
    )
    others = {
        tab.key: Hold.objects.filter(tab.rows(user, now)).count() for tab in TABS if not tab.of_open
    }
    return of_open | others
