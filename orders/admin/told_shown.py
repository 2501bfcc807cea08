"""What the order page tells about downstream systems: who knows of what, and who does not yet."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from changefeed.models import EndpointState
from changefeed.telling import Pulled, Told, pulled_about, told_about
from orders.models import Order


@dataclass(frozen=True, slots=True)
class ShownSystem:
    """One system: how far it is with the order; `before` says what was at `moment`."""

    name: str
    link: str
    word: str
    moment: datetime | None = None
    before: str = ""
    more: str = ""
    is_late: bool = False
    pulls: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """What the feed knows about one order, and what of it the reader may see."""

    told: list[Told]
    pulled: list[Pulled]
    may_see: bool
    may_see_lanes: bool
    changes_link: str
    attempts_link: str

    def systems(self) -> list[ShownSystem]:
        """Every downstream system with all that it takes of this order, those behind first."""
        shown = [self._endpoint(one) for one in self.told]
        shown += [_consumer(one) for one in self.pulled]
        return sorted(shown, key=lambda one: not one.is_late)

    @property
    def summary(self) -> str:
        """Whether everybody knows everything, in one sentence."""
        behind = sum(1 for one in self.told if one.pending and not one.is_again)
        behind += sum(1 for one in self.pulled if one.pending)
        if not (self.told or self.pulled):
            return _("No downstream system is connected.")
        if not behind:
            return _("All of them know everything about this order.")
        return ngettext(
            "%(count)d of %(total)d does not know everything yet.",
            "%(count)d of %(total)d do not know everything yet.",
            behind,
        ) % {"count": behind, "total": len(self.told) + len(self.pulled)}

    def news_of(self, seqs: Collection[int]) -> list[ShownSystem]:
        """Every system that takes one of these changes, and whether it has it."""
        shown = [known for told in self.told if (known := self._news(told, seqs))]
        for one in self.pulled if seqs else ():
            is_missing = bool(one.pending & set(seqs))
            word = _("not fetched yet") if is_missing else _("fetched")
            shown.append(
                ShownSystem(one.name, _consumers_page(), word, is_late=is_missing, pulls=True)
            )
        return sorted(shown, key=lambda one: not one.is_late)

    def _endpoint(self, told: Told) -> ShownSystem:
        if not told.wanted and told.is_newcomer:
            return ShownSystem(
                *(told.name, self._link(told), _("was connected after this order changed last")),
                more=_("A replay would tell it what came before."),
            )
        if not told.wanted:
            return ShownSystem(told.name, self._link(told), _("takes nothing of this order"))
        if told.pending:
            count = len(told.pending)
            if told.is_again:
                word = ngettext(
                    "%(count)d change is being told again",
                    "%(count)d changes are being told again",
                    count,
                )
            elif told.is_parked:
                word = ngettext(
                    "refused: %(count)d change waits for a person",
                    "refused: %(count)d changes wait for a person",
                    count,
                )
            else:
                word = ngettext(
                    "%(count)d change still to come", "%(count)d changes still to come", count
                )
            return ShownSystem(
                *(told.name, self._link(told), word % {"count": count}, told.pending_since),
                before=_("waiting since"),
                more=_why_late(told),
                is_late=True,
            )
        return ShownSystem(told.name, self._link(told), _("knows everything"), told.told_at)

    def _news(self, told: Told, seqs: Iterable[int]) -> ShownSystem | None:
        news = told.news_of(seqs)
        words = {
            "arrived": _("received"),
            "waiting": _("not received yet"),
            "parked": _("refused it; waits for a person"),
            "skipped": _("was left out by a person"),
        }
        if news.outcome not in words:
            return None
        is_late = news.outcome in ("waiting", "parked")
        return ShownSystem(
            *(told.name, self._link(told), words[news.outcome], news.at),
            more=_why_late(told) if is_late else "",
            is_late=is_late,
        )

    def _link(self, told: Told) -> str:
        if not self.may_see:
            return ""
        if told.lane_id and self.may_see_lanes:
            return reverse("admin:changefeed_feedlane_change", args=(told.lane_id,))
        return reverse("admin:changefeed_endpoint_change", args=(told.endpoint_id,))


def telling_of(order: Order, user: User) -> Telling:
    """Two short reads, the second only for who may see consumers."""
    may_see = user.has_perm("changefeed.view_endpoint")
    query = urlencode({"q": order.number})
    return Telling(
        told=told_about("order", order.number),
        pulled=pulled_about("order", order.number)
        if user.has_perm("changefeed.view_pullcursor")
        else [],
        may_see=may_see,
        may_see_lanes=user.has_perm("changefeed.view_feedlane"),
        changes_link=_list_link(user, "change", query),
        attempts_link=_list_link(user, "attempt", query),
    )


def counted(systems: Sequence[ShownSystem]) -> str:
    """The same without names, for who may not see endpoints."""
    arrived = sum(1 for one in systems if not one.is_late)
    return _("Received by %(count)d of %(total)d downstream systems.") % {
        "count": arrived,
        "total": len(systems),
    }


def _list_link(user: User, model: str, query: str) -> str:
    if not user.has_perm(f"changefeed.view_{model}"):
        return ""
    return f"{reverse(f'admin:changefeed_{model}_changelist')}?{query}"


def _why_late(told: Told) -> str:
    """Why an endpoint gets nothing at all, if so."""
    if told.state == EndpointState.ACTIVE:
        return ""
    return str(EndpointState(told.state).label)


def _consumer(one: Pulled) -> ShownSystem:
    count = len(one.pending)
    if not count:
        return ShownSystem(
            *(one.name, _consumers_page(), _("has fetched everything"), one.seen_at),
            before=_("last asked"),
            pulls=True,
        )
    word = ngettext("%(count)d change not fetched yet", "%(count)d changes not fetched yet", count)
    return ShownSystem(
        *(one.name, _consumers_page(), word % {"count": count}, one.seen_at),
        before=_("last asked"),
        is_late=True,
        pulls=True,
    )


def _consumers_page() -> str:
    return reverse("admin:changefeed_pullcursor_changelist")
