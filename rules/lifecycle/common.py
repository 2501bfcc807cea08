"""What the acts share: one at a time, who acts, and the database's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils.translation import gettext as _

from changefeed.recording import act_as, record_change
from rules import live
from rules.errors import NotPossible
from rules.models import ReferenceList, RuleSet, RuleSetState

_LOCK = 0x51_1CE_0001


def begin(actor: str) -> None:
    """Name the actor, and let other rule-set acts wait until this transaction ends.

    An advisory lock, because the first version has no row yet that could be locked.
    """
    act_as(actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def locked(ruleset: RuleSet) -> RuleSet:
    """The same version, read again under its row lock."""
    return RuleSet.objects.select_for_update().get(pk=ruleset.pk)


def locked_draft(ruleset: RuleSet) -> RuleSet:
    """The draft under its row lock; NotPossible if it is none any more."""
    try:
        found = locked(ruleset)
    except RuleSet.DoesNotExist:
        raise NotPossible(_("This draft no longer exists.")) from None
    if found.state != RuleSetState.DRAFT:
        raise NotPossible(
            _("Version %(version)d is published and can no longer be edited.")
            % {"version": found.version}
        )
    return found


def in_state(state: RuleSetState) -> RuleSet | None:
    """The draft or the live version, under its row lock."""
    return RuleSet.objects.select_for_update().filter(state=state).first()


def known_lists() -> frozenset[str]:
    """Keys of the lists that exist."""
    return frozenset(ReferenceList.objects.values_list("key", flat=True))


def author_id_of(actor: str) -> int | None:
    """The account behind an actor such as `user:alice`."""
    kind, _colon, name = actor.partition(":")
    if kind != "user":
        return None
    users = get_user_model()._default_manager.filter(username=name)
    return users.values_list("pk", flat=True).first()


def record(kind: str, ruleset: RuleSet, **values: object) -> None:
    """Tell the feed about a version."""
    record_change(
        kind,
        subject_kind="ruleset",
        subject_id=str(ruleset.version),
        subject_version=ruleset.version,
        **values,  # type: ignore[arg-type]
    )


@contextmanager
def rows_open_for(ruleset: RuleSet) -> Iterator[None]:
    """Let rules be added to a version born published, within the block only."""
    _name_restored(str(ruleset.pk))
    yield
    _name_restored("")


def _name_restored(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sluice.restored_ruleset', %s, true)", (value,))


def announce() -> None:
    """Make this process look again now, and once more when the others can see it."""
    live.forget()
    transaction.on_commit(live.forget)
