"""The append-only log of changes; it names its subject by kind and id, without foreign keys."""

from typing import Any

from django.db import models
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _


class TransactionIdField(models.Field):
    """A PostgreSQL `xid8`: the writing transaction, comparable with snapshots, read as int."""

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)


class Change(models.Model):
    """One committed fact about a subject.

    Rows are written by `recording.record_change` or by SQL triggers, never through the ORM, and
    the database refuses to alter or delete them. `seq` orders the changes of one subject; across
    subjects a lower `seq` may commit later. The table is range-partitioned by `seq`.

    `echo` is what the system in `source` itself said, by feed field: where it equals `new`, that
    system knows the change already and is not sent it.
    """

    seq = models.BigIntegerField(
        _("sequence"),
        primary_key=True,
        db_default=RawSQL("nextval('changefeed_change_seq')", ()),
    )
    xid = TransactionIdField(
        _("transaction"), editable=False, db_default=RawSQL("pg_current_xact_id()", ())
    )
    event_id = models.UUIDField(_("event id"), db_default=RawSQL("sluice_uuid7()", ()))
    subject_kind = models.TextField(_("subject kind"))
    subject_id = models.TextField(_("subject"))
    subject_version = models.BigIntegerField(_("subject version"))
    kind = models.TextField(_("kind of change"))
    field = models.TextField(_("field"), db_default="")
    old = models.JSONField(_("old value"), null=True)
    new = models.JSONField(_("new value"), null=True)
    actor = models.TextField(_("actor"), db_default=RawSQL("sluice_setting('actor')", ()))
    source = models.TextField(_("source system"), db_default=RawSQL("sluice_setting('source')", ()))
    source_event_id = models.TextField(
        _("event id at the source"),
        db_default=RawSQL("coalesce(current_setting('sluice.source_event_id', true), '')", ()),
    )
    echo = models.JSONField(
        null=True,
        editable=False,
        db_default=RawSQL("nullif(current_setting('sluice.echo', true), '')::jsonb", ()),
    )
    schema_version = models.SmallIntegerField(_("schema version"), db_default=1)
    at = models.DateTimeField(_("time"), db_default=RawSQL("clock_timestamp()", ()))

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        indexes = [
            models.Index(
                fields=["subject_kind", "subject_id", "seq"], name="changefeed_change_subject"
            ),
            models.Index(fields=["xid", "seq"], name="changefeed_change_xid"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind} {self.subject_kind}:{self.subject_id}"
