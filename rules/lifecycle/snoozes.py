"""Acts on snoozes: a rule passed over for one customer, for a while and for a reason."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from changefeed.recording import record_change
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle.common import announce, begin
from rules.lifecycle.lists import visible
from rules.models import Rule, RuleSetState, RuleSnooze
from rules.problems import Problems

LONGEST = timedelta(days=366)
_IN_USE = (RuleSetState.LIVE, RuleSetState.SHADOW)


@transaction.atomic
def snooze_rule(
    rule_key: str, customer: str, until: datetime, reason: str, actor: str
) -> RuleSnooze:
    """Pass the rule over for the customer of that number until then.

    Raises DocumentInvalid naming each field that cannot be taken, NotPossible when the rule is
    asleep for this customer already or is in no version that is live or watches. Raises
    ValueError for a naive time.
    """
    if until.tzinfo is None:
        raise ValueError("a snooze needs a time with its zone")
    begin(actor)
    now = database_now()
    customer = visible(customer)
    found = Problems()
    found.slug(rule_key, "rule_key")
    found.text(customer, "customer", limit=128)
    found.text(visible(reason), "reason")
    if until <= now:
        found.add("until", "past", _("The end must lie in the future."))
    elif until > now + LONGEST:
        found.add("until", "too_far", _("The end must lie within a year."))
    if found.errors:
        raise DocumentInvalid(found.errors)
    if not Rule.objects.filter(key=rule_key, ruleset__state__in=_IN_USE).exists():
        raise NotPossible(_("No rule “%(key)s” is live.") % {"key": rule_key})
    _make_room(rule_key, customer, now)
    snooze = RuleSnooze.objects.create(
        rule_key=rule_key,
        customer=customer,
        reason=visible(reason),
        until=until,
        created_by=actor,
        created_at=now,
    )
    _record("snooze.started", snooze, 1, new=_told(snooze))
    announce()
    return snooze


@transaction.atomic
def end_snooze(snooze: RuleSnooze, actor: str) -> RuleSnooze:
    """Wake the rule for the customer now. Raises NotPossible when it is awake already."""
    begin(actor)
    now = database_now()
    found = RuleSnooze.objects.select_for_update().get(pk=snooze.pk)
    if found.ended_at is not None or found.until <= now:
        raise NotPossible(_("This snooze is over already."))
    _end(found, actor, now)
    announce()
    return found


def _make_room(rule_key: str, customer: str, now: datetime) -> None:
    """End a snooze that ran out; one that still lasts is in the way."""
    found = (
        RuleSnooze.objects.select_for_update()
        .filter(rule_key=rule_key, customer=customer, ended_at__isnull=True)
        .first()
    )
    if found is None:
        return
    if found.until > now:
        raise NotPossible(
            _("The rule “%(key)s” is already asleep for this customer; end that snooze first.")
            % {"key": rule_key}
        )
    _end(found, "system", found.until)


def _end(snooze: RuleSnooze, actor: str, at: datetime) -> None:
    snooze.ended_by, snooze.ended_at = actor, at
    snooze.save(update_fields=["ended_by", "ended_at"])
    _record("snooze.ended", snooze, 2, old=_told(snooze))


def _told(snooze: RuleSnooze) -> dict[str, object]:
    return {
        "rule": snooze.rule_key,
        "customer": snooze.customer,
        "until": snooze.until,
        "reason": snooze.reason,
    }


def _record(kind: str, snooze: RuleSnooze, version: int, **values: object) -> None:
    record_change(
        kind,
        subject_kind="snooze",
        subject_id=str(snooze.pk),
        subject_version=version,
        **values,  # type: ignore[arg-type]
    )
