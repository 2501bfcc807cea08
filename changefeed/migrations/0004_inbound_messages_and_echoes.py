"""What other systems tell us: their answers kept, their own words not sent back to them."""

from django.db import migrations, models
from django.db.models.expressions import RawSQL

# Inlined by the planner; a change that nobody announced has no echo and costs one null test.
IS_ECHO = r"""
CREATE FUNCTION changefeed_is_echo(
    listener text, source text, echo jsonb, field text, new jsonb
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT echo IS NOT NULL AND listener <> '' AND listener = source
       AND field <> '' AND coalesce(echo -> field = new, false)
$$;
"""

_FAN_OUT = r"""
CREATE OR REPLACE FUNCTION changefeed_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changefeed_feedlane AS lane (
        endpoint_id, subject_kind, subject_id, head_seq, last_seq, due_at, pending_since
    )
    SELECT endpoint.id, added.subject_kind, added.subject_id, min(added.seq), max(added.seq),
           clock_timestamp(), min(added.at)
    FROM added
    JOIN changefeed_endpoint AS endpoint
      ON changefeed_wants(endpoint.kinds, endpoint.fields, added.kind, added.field){unless_echo}
    GROUP BY endpoint.id, added.subject_kind, added.subject_id
    ORDER BY endpoint.id, added.subject_kind, added.subject_id
    ON CONFLICT (endpoint_id, subject_kind, subject_id) DO UPDATE
    SET last_seq = greatest(lane.last_seq, excluded.last_seq),
        head_seq = least(lane.head_seq, excluded.head_seq);
    RETURN NULL;
END
$$;
"""
UNLESS_ECHO = """
     AND NOT changefeed_is_echo(
         endpoint.source, added.source, added.echo, added.field, added.new)"""


class Migration(migrations.Migration):
    dependencies = [("changefeed", "0003_sign_keys")]

    operations = [
        migrations.AddField(
            "inbox",
            "body_hash",
            models.TextField(
                blank=True, default="", editable=False, verbose_name="hash of the body"
            ),
        ),
        migrations.AddField(
            "inbox",
            "answer",
            models.JSONField(blank=True, editable=False, null=True, verbose_name="answer"),
        ),
        migrations.AddField(
            "change",
            "echo",
            models.JSONField(
                db_default=RawSQL("nullif(current_setting('sluice.echo', true), '')::jsonb", ()),
                editable=False,
                null=True,
            ),
        ),
        migrations.AddField(
            "endpoint",
            "source",
            models.CharField(
                blank=True,
                default="",
                help_text="As its API key names it. What this system itself told us, and what "
                "was stored just so, is not sent back to it.",
                max_length=50,
                verbose_name="source system",
            ),
        ),
        migrations.RunSQL(
            IS_ECHO, "DROP FUNCTION changefeed_is_echo(text, text, jsonb, text, jsonb)"
        ),
        migrations.RunSQL(
            _FAN_OUT.replace("{unless_echo}", UNLESS_ECHO), _FAN_OUT.replace("{unless_echo}", "")
        ),
    ]
