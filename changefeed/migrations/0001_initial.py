"""The feed's tables: changes partitioned by sequence, attempts by day, lanes in between."""

import changefeed.models.changes
import changefeed.validation
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

# A uuid7 of our own where the server has none (before PostgreSQL 18), and what the columns of a
# change default to: whoever `act_as` named in this transaction.
DEFAULTS = r"""
DO $do$
BEGIN
    IF to_regproc('pg_catalog.uuidv7') IS NOT NULL THEN
        CREATE FUNCTION sluice_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
            AS 'SELECT uuidv7()';
    ELSE
        CREATE FUNCTION sluice_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
            SELECT encode(
                substr(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 3)
                || set_byte(drawn, 0, (get_byte(drawn, 0) & 15) | 112),
                'hex'
            )::uuid
            FROM (SELECT substr(uuid_send(gen_random_uuid()), 7) AS drawn) AS random
        $body$;
    END IF;
END
$do$;
CREATE FUNCTION sluice_setting(name text) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT coalesce(nullif(current_setting('sluice.' || name, true), ''), 'unknown') $$;
CREATE SEQUENCE changefeed_change_seq;
"""
DROP_DEFAULTS = """
DROP SEQUENCE IF EXISTS changefeed_change_seq;
DROP FUNCTION sluice_setting(text);
DROP FUNCTION sluice_uuid7();
"""

# The default partitions are a net, kept empty: an order must never be refused because nobody made
# the next partition in time. `make_partitions` moves out whatever fell into them.
CHANGE = r"""
CREATE TABLE changefeed_change (
    seq bigint NOT NULL DEFAULT nextval('changefeed_change_seq') PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid NOT NULL DEFAULT sluice_uuid7(),
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    subject_version bigint NOT NULL,
    kind text NOT NULL,
    field text NOT NULL DEFAULT '',
    old jsonb,
    new jsonb,
    actor text NOT NULL DEFAULT sluice_setting('actor'),
    source text NOT NULL DEFAULT sluice_setting('source'),
    source_event_id text NOT NULL DEFAULT coalesce(current_setting('sluice.source_event_id', true), ''),
    schema_version smallint NOT NULL DEFAULT 1,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (seq);
ALTER SEQUENCE changefeed_change_seq OWNED BY changefeed_change.seq;
CREATE INDEX changefeed_change_subject ON changefeed_change (subject_kind, subject_id, seq);
CREATE INDEX changefeed_change_xid ON changefeed_change (xid, seq);
CREATE TABLE changefeed_change_default PARTITION OF changefeed_change DEFAULT;
"""

ATTEMPT = """
CREATE SEQUENCE changefeed_attempt_id_seq;
CREATE TABLE changefeed_attempt (
    id bigint NOT NULL DEFAULT nextval('changefeed_attempt_id_seq'),
    endpoint_id bigint NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    seq bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    outcome text NOT NULL,
    status smallint,
    latency_ms integer NOT NULL,
    answer text NOT NULL DEFAULT '',
    PRIMARY KEY (id, sent_at)
) PARTITION BY RANGE (sent_at);
ALTER SEQUENCE changefeed_attempt_id_seq OWNED BY changefeed_attempt.id;
CREATE INDEX changefeed_attempt_endpoint ON changefeed_attempt (endpoint_id, sent_at);
CREATE INDEX changefeed_attempt_subject ON changefeed_attempt (subject_kind, subject_id, seq);
CREATE TABLE changefeed_attempt_default PARTITION OF changefeed_attempt DEFAULT;
"""

# Lanes live briefly and are updated in place: room on the page for that, and a vacuum that comes
# after some hundred dead rows instead of a fifth of the table.
LANE_STORAGE = """
ALTER TABLE changefeed_feedlane SET (
    fillfactor = 70,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.5
);
"""

PARTITIONS = r"""
CREATE FUNCTION changefeed_make_change_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    width CONSTANT bigint := 1000000;
    slot bigint;
    part text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('changefeed.partitions'));
    FOR slot IN
        SELECT current.slot + step
        FROM (SELECT last_value / width AS slot FROM changefeed_change_seq) AS current,
             generate_series(0, ahead) AS step
        UNION
        SELECT DISTINCT seq / width FROM changefeed_change_default
        ORDER BY 1
    LOOP
        part := 'changefeed_change_p' || lpad(slot::text, 6, '0');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        LOCK TABLE changefeed_change_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE changefeed_change INCLUDING DEFAULTS)', part);
        EXECUTE format(
            'WITH moved AS (DELETE FROM changefeed_change_default'
            ' WHERE seq >= %s AND seq < %s RETURNING *) INSERT INTO %I SELECT * FROM moved',
            slot * width, (slot + 1) * width, part);
        EXECUTE format(
            'ALTER TABLE changefeed_change ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            part, slot * width, (slot + 1) * width);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
CREATE FUNCTION changefeed_make_attempt_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    day date;
    lower_bound timestamptz;
    upper_bound timestamptz;
    part text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('changefeed.partitions'));
    FOR day IN
        SELECT (now() AT TIME ZONE 'UTC')::date + step FROM generate_series(0, ahead) AS step
        UNION
        SELECT DISTINCT (sent_at AT TIME ZONE 'UTC')::date FROM changefeed_attempt_default
        ORDER BY 1
    LOOP
        part := 'changefeed_attempt_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        lower_bound := day::timestamp AT TIME ZONE 'UTC';
        upper_bound := (day + 1)::timestamp AT TIME ZONE 'UTC';
        LOCK TABLE changefeed_attempt_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE changefeed_attempt INCLUDING DEFAULTS)', part);
        EXECUTE format(
            'WITH moved AS (DELETE FROM changefeed_attempt_default'
            ' WHERE sent_at >= %L AND sent_at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            lower_bound, upper_bound, part);
        EXECUTE format(
            'ALTER TABLE changefeed_attempt ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            part, lower_bound, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
SELECT changefeed_make_change_partitions(4);
SELECT changefeed_make_attempt_partitions(7);
"""
DROP_PARTITIONS = """
DROP FUNCTION changefeed_make_attempt_partitions(integer);
DROP FUNCTION changefeed_make_change_partitions(integer);
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.RunSQL(DEFAULTS, DROP_DEFAULTS),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CHANGE, "DROP TABLE changefeed_change")],
            state_operations=[
                migrations.CreateModel(
                    name='Change',
                    fields=[
                        ('seq', models.BigIntegerField(db_default=django.db.models.expressions.RawSQL("nextval('changefeed_change_seq')", ()), primary_key=True, serialize=False, verbose_name='sequence')),
                        ('xid', changefeed.models.changes.TransactionIdField(db_default=django.db.models.expressions.RawSQL('pg_current_xact_id()', ()), editable=False, verbose_name='transaction')),
                        ('event_id', models.UUIDField(db_default=django.db.models.expressions.RawSQL('sluice_uuid7()', ()), verbose_name='event id')),
                        ('subject_kind', models.TextField(verbose_name='subject kind')),
                        ('subject_id', models.TextField(verbose_name='subject')),
                        ('subject_version', models.BigIntegerField(verbose_name='subject version')),
                        ('kind', models.TextField(verbose_name='kind of change')),
                        ('field', models.TextField(db_default='', verbose_name='field')),
                        ('old', models.JSONField(null=True, verbose_name='old value')),
                        ('new', models.JSONField(null=True, verbose_name='new value')),
                        ('actor', models.TextField(db_default=django.db.models.expressions.RawSQL("sluice_setting('actor')", ()), verbose_name='actor')),
                        ('source', models.TextField(db_default=django.db.models.expressions.RawSQL("sluice_setting('source')", ()), verbose_name='source system')),
                        ('source_event_id', models.TextField(db_default=django.db.models.expressions.RawSQL("coalesce(current_setting('sluice.source_event_id', true), '')", ()), verbose_name='event id at the source')),
                        ('schema_version', models.SmallIntegerField(db_default=1, verbose_name='schema version')),
                        ('at', models.DateTimeField(db_default=django.db.models.expressions.RawSQL('clock_timestamp()', ()), verbose_name='time')),
                    ],
                    options={
                        'verbose_name': 'change',
                        'verbose_name_plural': 'changes',
                        'indexes': [models.Index(fields=['subject_kind', 'subject_id', 'seq'], name='changefeed_change_subject'), models.Index(fields=['xid', 'seq'], name='changefeed_change_xid')],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('prefix', models.CharField(editable=False, max_length=16, unique=True, verbose_name='prefix')),
                ('hash', models.CharField(editable=False, max_length=64)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None, verbose_name='scopes')),
                ('source', models.CharField(max_length=50, verbose_name='source system')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='revoked at')),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last used at')),
            ],
            options={
                'verbose_name': 'API key',
                'verbose_name_plural': 'API keys',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('url', models.URLField(max_length=500, validators=[changefeed.validation.validate_address], verbose_name='address')),
                ('secrets', models.JSONField(default=list, editable=False, verbose_name='signing secrets')),
                ('kinds', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, default=list, size=None, verbose_name='kinds of change')),
                ('fields', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, default=list, size=None, verbose_name='fields')),
                ('concurrency', models.PositiveSmallIntegerField(default=32, help_text='Per sending process; never two for one subject.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(500)], verbose_name='requests at once')),
                ('rate', models.PositiveIntegerField(default=0, help_text='0 means as fast as it answers.', verbose_name='requests per second')),
                ('batch_size', models.PositiveSmallIntegerField(default=1, editable=False, validators=[django.core.validators.MinValueValidator(1)], verbose_name='events per request')),
                ('allowed_networks', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(validators=[changefeed.validation.validate_network]), blank=True, default=list, help_text='For example 10.20.0.0/16; other private addresses stay refused.', size=None, verbose_name='private networks allowed')),
                ('state', models.TextField(choices=[('active', 'active'), ('open', 'not answering'), ('half_open', 'being probed'), ('paused', 'paused')], default='active', editable=False, verbose_name='state')),
                ('failures', models.PositiveIntegerField(default=0, editable=False, verbose_name='failures in a row')),
                ('openings', models.PositiveIntegerField(default=0, editable=False, verbose_name='openings in a row')),
                ('opened_until', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='next probe at')),
                ('state_reason', models.TextField(blank=True, editable=False, verbose_name='reason of the state')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'endpoint',
                'verbose_name_plural': 'endpoints',
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['active', 'open', 'half_open', 'paused'])), name='changefeed_endpoint_state_known')],
            },
        ),
        migrations.CreateModel(
            name='Inbox',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.TextField(verbose_name='source system')),
                ('source_event_id', models.TextField(verbose_name='event id at the source')),
                ('received_at', models.DateTimeField(auto_now_add=True, verbose_name='received at')),
            ],
            options={
                'verbose_name': 'received message',
                'verbose_name_plural': 'received messages',
                'constraints': [models.UniqueConstraint(fields=('source', 'source_event_id'), name='changefeed_inbox_once')],
            },
        ),
        migrations.CreateModel(
            name='PullCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('after_seq', models.BigIntegerField(default=0, verbose_name='acknowledged up to')),
                ('seen_at', models.DateTimeField(null=True, verbose_name='last request at')),
                ('api_key', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='pull_cursor', to='changefeed.apikey', verbose_name='API key')),
            ],
            options={
                'verbose_name': 'pull cursor',
                'verbose_name_plural': 'pull cursors',
            },
        ),
        migrations.CreateModel(
            name='PullWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('previous', models.BigIntegerField(default=0)),
                ('since', models.TextField()),
                ('until', models.TextField()),
                ('first_seq', models.BigIntegerField()),
                ('last_seq', models.BigIntegerField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('cursor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='windows', to='changefeed.pullcursor')),
            ],
            options={
                'verbose_name': 'pull window',
                'verbose_name_plural': 'pull windows',
            },
        ),
        migrations.AddField(
            model_name='pullcursor',
            name='window',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='changefeed.pullwindow', verbose_name='window'),
        ),
        migrations.CreateModel(
            name='FeedLane',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_kind', models.TextField(verbose_name='subject kind')),
                ('subject_id', models.TextField(verbose_name='subject')),
                ('head_seq', models.BigIntegerField(verbose_name='first pending')),
                ('last_seq', models.BigIntegerField(verbose_name='last pending')),
                ('due_at', models.DateTimeField(null=True, verbose_name='due at')),
                ('attempts', models.PositiveIntegerField(db_default=0, verbose_name='failed attempts')),
                ('rejections', models.PositiveIntegerField(db_default=0, verbose_name='refusals')),
                ('lease_id', models.UUIDField(null=True, verbose_name='lease')),
                ('lease_until', models.DateTimeField(null=True, verbose_name='leased until')),
                ('state', models.TextField(choices=[('ready', 'waiting'), ('leased', 'being sent'), ('backoff', 'waiting to retry'), ('parked', 'parked')], db_default='ready', verbose_name='state')),
                ('pending_since', models.DateTimeField(verbose_name='pending since')),
                ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='lanes', to='changefeed.endpoint', verbose_name='endpoint')),
            ],
            options={
                'verbose_name': 'feed lane',
                'verbose_name_plural': 'feed lanes',
                'indexes': [models.Index(fields=['endpoint', 'due_at'], name='changefeed_feedlane_due')],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'subject_kind', 'subject_id'), name='changefeed_feedlane_one_per_subject')],
            },
        ),
        migrations.AddConstraint(
            model_name='pullwindow',
            constraint=models.UniqueConstraint(fields=('cursor', 'previous'), name='changefeed_pullwindow_one_next'),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ATTEMPT, "DROP TABLE changefeed_attempt")],
            state_operations=[
                migrations.CreateModel(
                    name='Attempt',
                    fields=[
                        ('id', models.BigIntegerField(db_default=django.db.models.expressions.RawSQL("nextval('changefeed_attempt_id_seq')", ()), primary_key=True, serialize=False)),
                        ('subject_kind', models.TextField(verbose_name='subject kind')),
                        ('subject_id', models.TextField(verbose_name='subject')),
                        ('seq', models.BigIntegerField(verbose_name='sequence')),
                        ('sent_at', models.DateTimeField(verbose_name='sent at')),
                        ('outcome', models.TextField(choices=[('delivered', 'delivered'), ('rejected', 'refused'), ('throttled', 'asked to slow down'), ('failed', 'failed'), ('gone', 'gone')], verbose_name='outcome')),
                        ('status', models.SmallIntegerField(null=True, verbose_name='HTTP status')),
                        ('latency_ms', models.IntegerField(verbose_name='latency (ms)')),
                        ('answer', models.TextField(blank=True, verbose_name='answer')),
                        ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='changefeed.endpoint', verbose_name='endpoint')),
                    ],
                    options={
                        'verbose_name': 'delivery attempt',
                        'verbose_name_plural': 'delivery attempts',
                        'indexes': [models.Index(fields=['endpoint', 'sent_at'], name='changefeed_attempt_endpoint'), models.Index(fields=['subject_kind', 'subject_id', 'seq'], name='changefeed_attempt_subject')],
                    },
                ),
            ],
        ),
        migrations.RunSQL(LANE_STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(PARTITIONS, DROP_PARTITIONS),
    ]
