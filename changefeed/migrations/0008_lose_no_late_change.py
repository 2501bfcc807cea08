"""A change that commits late under a low sequence is told even while its lane is being sent."""

from django.db import migrations

# Where a sequence comes behind one that its lane holds already, its writer drew it without the
# subject's lock. Whoever is sending the lane may have passed it by, so the head goes below where
# they began: what they write down no longer ends the lane, and it is told from the late change on.
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
        head_seq = {head};
    RETURN NULL;
END
$$;
"""
LATE_GOES_BELOW = (
    "CASE WHEN excluded.head_seq > lane.last_seq THEN lane.head_seq"
    " ELSE least(lane.head_seq - 1, excluded.head_seq) END"
)
AS_BEFORE = "least(lane.head_seq, excluded.head_seq)"


class Migration(migrations.Migration):
    dependencies = [("changefeed", "0007_call_cursors_consumers")]

    operations = [
        migrations.RunSQL(
            _FAN_OUT.replace("{head}", LATE_GOES_BELOW), _FAN_OUT.replace("{head}", AS_BEFORE)
        ),
    ]
