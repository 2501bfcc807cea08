"""The anti-fraud switch: one act that turns a pack of rules of the live version on or off."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from rules import fraud
from rules.document import Document, Rule
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle.common import announce, author_id_of, begin, in_state, known_lists, record
from rules.lifecycle.editing import drop_broken_schedules
from rules.lifecycle.versions import born_live, retire
from rules.models import RuleSet, RuleSetState
from rules.parsing import parse_document
from rules.storage import authors_of, write_rules


@dataclass(frozen=True, slots=True)
class Switched:
    """What the switch did: the live version now, and whether it is a new one.

    `draft` is the open draft that was changed alike; `dropped_schedule` says that it was
    scheduled and is not any more.
    """

    live: RuleSet
    changed: bool
    draft: RuleSet | None = None
    dropped_schedule: bool = False


def shipped_pack() -> tuple[Rule, ...]:
    """The rules of the pack as the product ships them."""
    from rules.starting import starter_document  # which itself needs the acts

    document = parse_document(starter_document(), catalogue)
    return fraud.pack_of(document.rules)


@transaction.atomic
def set_fraud_mode(on: bool, actor: str) -> Switched:
    """Turn the anti-fraud rules on or off, by a new live version made from the present one.

    In an emergency one person is enough. An open draft takes the same change, so that
    publishing it does not undo the switch. Asking for what already is changes nothing. Raises
    NotPossible when nothing is live or there are no such rules, DocumentInvalid when a rule
    of the pack names a list that is gone.
    """
    begin(actor)
    live = in_state(RuleSetState.LIVE)
    if live is None:
        raise NotPossible(_("No rule set is live yet; publish one first."))
    shipped = shipped_pack()
    before = parse_document(live.document, catalogue)
    after = fraud.with_pack(before, shipped, on=on)
    if not fraud.pack_of(after.rules):
        raise NotPossible(_("There are no anti-fraud rules to switch."))
    if after is before:
        return Switched(live, changed=False)
    parse_document(after.as_json(), catalogue, known_lists())
    retire(RuleSetState.LIVE)
    note = _("Anti-fraud mode on") if on else _("Anti-fraud mode off")
    made = born_live(live, after, actor, note)
    record("ruleset.fraud_mode_set", made, field="fraud_mode", old=not on, new=on)
    draft = in_state(RuleSetState.DRAFT)
    dropped = draft is not None and draft.publish_at is not None
    drop_broken_schedules()
    if draft is not None:
        draft.refresh_from_db()
        _follow(draft, live, made, shipped, actor, on=on)
    announce()
    return Switched(made, True, draft, dropped)


def _follow(
    draft: RuleSet,
    former: RuleSet,
    made: RuleSet,
    shipped: tuple[Rule, ...],
    actor: str,
    *,
    on: bool,
) -> None:
    """Give the draft's own rules of the pack the same status, and the rules it lacks."""
    status = "live" if on else "disabled"
    stored = draft.rules.filter(key__startswith=fraud.PREFIX)
    changed = stored.filter(status="live") if not on else stored.exclude(status="live")
    count = changed.update(status=status)
    lacking: tuple[Rule, ...] = ()
    if on:
        known = set(draft.rules.values_list("key", flat=True))
        pack = fraud.with_pack(Document(), shipped, on=True).rules
        lacking = tuple(rule for rule in pack if rule.key not in known)
        write_rules(draft, lacking, author_id=author_id_of(actor), known=authors_of(made))
    if draft.based_on == former.version:
        draft.based_on = made.version
        draft.save(update_fields=["based_on"])
    if count or lacking:
        # Who switches writes no rule and is no editor: they may still approve what others wrote.
        record("ruleset.fraud_mode_set", draft, field="fraud_mode", old=not on, new=on)
