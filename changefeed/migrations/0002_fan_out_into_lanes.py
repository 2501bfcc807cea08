"""Every inserted change marks the lanes of the endpoints that want it, in the same statement."""

from django.db import migrations

# A kind filter may end in `.*`. Written so that the planner can inline it.
WANTS = r"""
CREATE FUNCTION changefeed_wants(kinds text[], fields text[], kind text, field text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (kinds = '{}' OR kind = ANY (kinds) OR split_part(kind, '.', 1) || '.*' = ANY (kinds))
       AND (fields = '{}' OR field = ANY (fields))
$$;
"""

# Sorted, so that two bulk writers take the lanes in one order. `least` is for a writer that drew
# its sequence before taking the subject's lock: late is bad, lost would be worse.
FAN_OUT = r"""
CREATE FUNCTION changefeed_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changefeed_feedlane AS lane (
        endpoint_id, subject_kind, subject_id, head_seq, last_seq, due_at, pending_since
    )
    SELECT endpoint.id, added.subject_kind, added.subject_id, min(added.seq), max(added.seq),
           clock_timestamp(), min(added.at)
    FROM added
    JOIN changefeed_endpoint AS endpoint
      ON changefeed_wants(endpoint.kinds, endpoint.fields, added.kind, added.field)
    GROUP BY endpoint.id, added.subject_kind, added.subject_id
    ORDER BY endpoint.id, added.subject_kind, added.subject_id
    ON CONFLICT (endpoint_id, subject_kind, subject_id) DO UPDATE
    SET last_seq = greatest(lane.last_seq, excluded.last_seq),
        head_seq = least(lane.head_seq, excluded.head_seq);
    RETURN NULL;
END
$$;
CREATE TRIGGER changefeed_change_fan_out AFTER INSERT ON changefeed_change
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION changefeed_fan_out();
"""

# Partitions themselves stay free for housekeeping; through the table nobody rewrites history.
APPEND_ONLY = r"""
CREATE FUNCTION changefeed_refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'changes are append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER changefeed_change_append_only BEFORE UPDATE OR DELETE ON changefeed_change
    FOR EACH STATEMENT EXECUTE FUNCTION changefeed_refuse_rewriting();
"""


class Migration(migrations.Migration):
    dependencies = [("changefeed", "0001_initial")]

    operations = [
        migrations.RunSQL(WANTS, "DROP FUNCTION changefeed_wants(text[], text[], text, text)"),
        migrations.RunSQL(
            FAN_OUT,
            "DROP TRIGGER changefeed_change_fan_out ON changefeed_change;"
            "DROP FUNCTION changefeed_fan_out()",
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER changefeed_change_append_only ON changefeed_change;"
            "DROP FUNCTION changefeed_refuse_rewriting()",
        ),
    ]
