"""Replays can be called off: lanes remember what was pending before a replay was put there."""

from django.db import migrations, models

# As before, and a change that commits late is never taken for one that only a replay tells.
_FAN_OUT = """
CREATE OR REPLACE FUNCTION changefeed_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changefeed_feedlane AS lane (
        endpoint_id, subject_kind, subject_id, head_seq, last_seq, due_at, pending_since
    )
    SELECT endpoint.id, added.subject_kind, added.subject_id, min(added.seq), max(added.seq),
           clock_timestamp(), min(added.at)
    FROM added
    JOIN changefeed_endpoint AS endpoint
      ON changefeed_wants(endpoint.kinds, endpoint.fields, added.kind, added.field)
     AND NOT changefeed_is_echo(
         endpoint.source, added.source, added.echo, added.field, added.new)
    GROUP BY endpoint.id, added.subject_kind, added.subject_id
    ORDER BY endpoint.id, added.subject_kind, added.subject_id
    ON CONFLICT (endpoint_id, subject_kind, subject_id) DO UPDATE
    SET last_seq = greatest(lane.last_seq, excluded.last_seq),
        head_seq = CASE WHEN excluded.head_seq > lane.last_seq THEN lane.head_seq
                        ELSE least(lane.head_seq - 1, excluded.head_seq) END{fresh};
    RETURN NULL;
END
$$;
"""
_FRESH = """,
        fresh_from = CASE WHEN lane.fresh_from > excluded.head_seq THEN excluded.head_seq
                          ELSE lane.fresh_from END"""


class Migration(migrations.Migration):
    dependencies = [("changefeed", "0009_gone_for_good")]

    operations = [
        migrations.AddField(
            model_name="feedlane",
            name="fresh_from",
            field=models.BigIntegerField(
                editable=False, null=True, verbose_name="pending before the replay"
            ),
        ),
        migrations.AddField(
            model_name="replay",
            name="called_off_at",
            field=models.DateTimeField(null=True, verbose_name="called off at"),
        ),
        migrations.AddField(
            model_name="replay",
            name="called_off_by",
            field=models.TextField(blank=True, verbose_name="called off by"),
        ),
        migrations.RunSQL(_FAN_OUT.replace("{fresh}", _FRESH), _FAN_OUT.replace("{fresh}", "")),
    ]
