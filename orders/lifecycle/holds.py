"""Acts on holds: claim, release, uphold, hold by hand, escalate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from changefeed.recording import record_change
from orders.actors import SYSTEM, Actor
from orders.errors import AlreadyDone, NotAllowed, NotFound, OrderError, ReasonMissing, WrongState
from orders.intake.holding import HoldDraft
from orders.lifecycle.cancelling import cancel_locked
from orders.lifecycle.dispatching import try_dispatch
from orders.lifecycle.parents import follow_children
from orders.lifecycle.reading import blocking_holds, child_orders, followers, locked_order
from orders.lifecycle.screening import open_hold, screen_followers, screen_locked, settle_state
from orders.lifecycle.timeline import note
from orders.models import Hold, Order, ScreeningDecision, Waiver
from orders.status import BEFORE_DISPATCH, FollowUp, HoldOwner, HoldState, OrderState, Risk
from rules.models import Rule


@dataclass(frozen=True, slots=True)
class HoldResult:
    """What became of one hold of a bulk act; `message` says why when it failed."""

    hold_id: int
    order_number: str
    ok: bool
    message: str = ""


def _locked_hold(hold_id: int) -> Hold:
    """The hold with its order, both locked, the order first. Raises NotFound."""
    order_id = Hold.objects.filter(pk=hold_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound
    order = locked_order(order_id)
    hold = Hold.objects.select_for_update(of=("self",)).get(pk=hold_id)
    hold.order = order
    return hold


def _require_open(hold: Hold) -> None:
    if hold.state != HoldState.OPEN:
        raise AlreadyDone(
            _("%(who)s was first: %(what)s at %(when)s.")
            % {
                "who": hold.resolved_by.removeprefix("user:"),
                "what": HoldState(hold.state).label,
                "when": date_format(timezone.localtime(hold.resolved_at), "H:i:s"),
            }
        )


def _require_reason(reason: str) -> str:
    if not reason.strip():
        raise ReasonMissing
    return reason.strip()


@transaction.atomic
def claim_hold(hold_id: int, *, user: User) -> Hold:
    """Show the others that somebody works on it, for CLAIM_SECONDS; repeating renews it.

    Raises AlreadyDone naming the other person while their claim lasts.
    """
    hold = _locked_hold(hold_id)
    _require_open(hold)
    now = database_now()
    holder, until = hold.claimed_by, hold.claimed_until
    if holder is not None and holder != user and until is not None and until > now:
        raise AlreadyDone(
            _("%(who)s is working on it until %(when)s.")
            % {
                "who": holder.get_username(),
                "when": date_format(timezone.localtime(until), "H:i:s"),
            }
        )
    hold.claimed_by = user
    hold.claimed_until = now + timedelta(seconds=settings.CLAIM_SECONDS)
    hold.save(update_fields=["claimed_by", "claimed_until"])
    return hold


@transaction.atomic
def unclaim_hold(hold_id: int, *, user: User) -> Hold:
    """Give the claim back; somebody else's claim stays."""
    hold = _locked_hold(hold_id)
    if hold.claimed_by_id == user.pk:
        hold.claimed_by, hold.claimed_until = None, None
        hold.save(update_fields=["claimed_by", "claimed_until"])
    return hold


@transaction.atomic
def release_hold(hold_id: int, *, actor: Actor, reason: str) -> Hold:
    """Let the order go on; when nothing else holds it, it is routed and dispatched at once.

    The waiver keeps a re-screen from raising the same hold until its inputs change. Raises
    AlreadyDone, ReasonMissing, or NotAllowed for the author of the rule (see settings).
    """
    reason = _require_reason(reason)
    actor.begin()
    hold = _locked_hold(hold_id)
    _require_open(hold)
    _require_second_person(hold, actor)
    now = database_now()
    hold.mark_released(by=actor.name, at=now, reason=reason)
    hold.claimed_by, hold.claimed_until = None, None
    hold.save()
    order = hold.order
    if hold.owner == HoldOwner.RULE:
        _waive(hold, order)
    note(order, "hold_released", actor, reason, hold=hold.pk, rule=hold.rule_key)
    go_on(order, actor)
    return hold


def _waive(hold: Hold, order: Order) -> None:
    """Keep the release for the order and for what travels in its parcel: holds are inherited."""
    for one in (order, *followers(order)):
        Waiver.objects.get_or_create(
            order=one,
            rule_key=hold.rule_key,
            fingerprint=hold.fingerprint,
            defaults={"hold": hold},
        )


def go_on(order: Order, actor: Actor) -> None:
    """Route and dispatch a locked order that nothing holds any more, and its child orders."""
    if order.state not in BEFORE_DISPATCH or blocking_holds(order).exists():
        return
    screen_locked(order, ScreeningDecision.Cause.ROUTING)
    if not blocking_holds(order).exists():
        screen_followers(order)
    settle_state(order)
    if order.state == OrderState.READY:
        try_dispatch(order, actor)
    for child in child_orders(order).filter(state=OrderState.ON_HOLD):
        go_on(child, actor)
    follow_children([order.number], actor)


def _require_second_person(hold: Hold, actor: Actor) -> None:
    if settings.AUTHOR_MAY_RELEASE or actor.user_id is None:
        return
    if hold.owner != HoldOwner.RULE or hold.ruleset_version is None:
        return
    authored = Rule.objects.filter(
        ruleset__version=hold.ruleset_version, key=hold.rule_key, author_id=actor.user_id
    )
    if authored.exists():
        raise NotAllowed(_("You wrote this rule; somebody else has to release what it held."))


@transaction.atomic
def uphold_hold(hold_id: int, *, actor: Actor, reason: str, follow_up: str) -> Hold:
    """Confirm the hold: the order is cancelled, or waits for a correction and a new screening.

    Raises AlreadyDone or ReasonMissing.
    """
    reason = _require_reason(reason)
    follow_up = FollowUp(follow_up)
    actor.begin()
    hold = _locked_hold(hold_id)
    _require_open(hold)
    hold.mark_upheld(by=actor.name, at=database_now(), reason=reason, follow_up=follow_up)
    hold.claimed_by, hold.claimed_until = None, None
    hold.save()
    note(hold.order, "hold_upheld", actor, reason, hold=hold.pk, follow_up=follow_up.value)
    if follow_up == FollowUp.CANCEL:
        cancel_locked(hold.order, actor, reason)
    return hold


def release_holds(hold_ids: Sequence[int], *, actor: Actor, reason: str) -> list[HoldResult]:
    """Release each hold in a transaction of its own; one that fails harms no other."""
    results = []
    for hold_id in hold_ids:
        number = (
            Hold.objects.filter(pk=hold_id).values_list("order__number", flat=True).first() or ""
        )
        try:
            release_hold(hold_id, actor=actor, reason=reason)
            results.append(HoldResult(hold_id, number, ok=True))
        except OrderError as error:
            results.append(HoldResult(hold_id, number, ok=False, message=error.message))
    return results


@transaction.atomic
def hold_order(order_id: int, *, actor: Actor, reason: str) -> Hold:
    """Hold an order by hand before dispatch. Raises WrongState afterwards: recall it then."""
    reason = _require_reason(reason)
    actor.begin()
    order = locked_order(order_id)
    if order.state not in BEFORE_DISPATCH:
        raise WrongState(_("The warehouse has this order already; ask it to stop instead."))
    hold = open_hold(order, HoldDraft(HoldOwner.MANUAL, reason, Risk.MEDIUM.value), database_now())
    note(order, "held", actor, reason, hold=hold.pk)
    settle_state(order)
    return hold


@transaction.atomic
def escalate_overdue(now: datetime | None = None, limit: int = 500) -> int:
    """Mark open holds past their due time; they never ship by themselves. Returns how many.

    Orders that somebody works on are left to the next run.
    """
    SYSTEM.begin()
    now = now or database_now()
    overdue = Hold.objects.open().filter(due_at__lte=now, escalated_at__isnull=True)
    orders = Order.objects.filter(pk__in=overdue.values("order_id")).order_by("id")
    locked = list(orders.select_for_update(skip_locked=True)[:limit])
    found = overdue.filter(order__in=locked).select_related("order").order_by("id")
    holds = list(found.select_for_update(of=("self",)))
    for hold in holds:
        hold.escalated_at = now
        hold.save(update_fields=["escalated_at"])
        note(hold.order, "escalated", SYSTEM, hold=hold.pk)
        record_change(
            "hold.escalated",
            subject_kind="order",
            subject_id=hold.order.number,
            subject_version=hold.order.version,
            field="hold",
            new={"id": hold.pk, "due_at": hold.due_at, "reason": hold.reason},
        )
    return len(holds)
