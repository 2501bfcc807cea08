"""Batches, coalescing, replays and alerts of the feed's sending side."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import uuid
from django.db import migrations, models

# A claim updates every lane of a page at once: with half of each page free the new rows stay on
# it, and no index is touched.
ROOM_TO_CLAIM = "ALTER TABLE changefeed_feedlane SET (fillfactor = 50)"
ROOM_AS_BEFORE = "ALTER TABLE changefeed_feedlane SET (fillfactor = 70)"


class Migration(migrations.Migration):

    dependencies = [
        ('changefeed', '0004_inbound_messages_and_echoes'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertDigest',
            fields=[
                ('kind', models.TextField(choices=[('parked', 'subjects wait for a person'), ('breaker', 'an endpoint does not answer'), ('lag', 'an endpoint is behind'), ('writer', 'a long transaction holds pulling consumers back')], primary_key=True, serialize=False, verbose_name='kind')),
                ('composed_at', models.DateTimeField(null=True, verbose_name='composed at')),
                ('unsent', models.TextField(blank=True, default='')),
                ('taken_until', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'alert message',
                'verbose_name_plural': 'alert messages',
            },
        ),
        migrations.AddField(
            model_name='attempt',
            name='batch',
            field=models.TextField(blank=True, db_default='', default='', verbose_name='batch'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='messages',
            field=models.SmallIntegerField(db_default=1, default=1, verbose_name='messages'),
        ),
        migrations.AddField(
            model_name='endpoint',
            name='coalesce',
            field=models.BooleanField(db_default=False, default=False, help_text='Several pending changes of one field are told as one, which lists what it stands for.', verbose_name='only the newest of a field'),
        ),
        migrations.AddField(
            model_name='feedlane',
            name='delivered_seqs',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), editable=False, null=True, size=None, verbose_name='delivered ahead'),
        ),
        migrations.AddField(
            model_name='feedlane',
            name='replay_until',
            field=models.BigIntegerField(editable=False, null=True, verbose_name='replayed up to'),
        ),
        migrations.AlterField(
            model_name='endpoint',
            name='batch_size',
            field=models.PositiveSmallIntegerField(default=1, help_text='Above 1, every request is a batch, which the receiver must understand.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(500)], verbose_name='events per request'),
        ),
        migrations.CreateModel(
            name='FeedAlert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.TextField(choices=[('parked', 'subjects wait for a person'), ('breaker', 'an endpoint does not answer'), ('lag', 'an endpoint is behind'), ('writer', 'a long transaction holds pulling consumers back')], verbose_name='kind')),
                ('key', models.BigIntegerField(default=0)),
                ('name', models.TextField(blank=True, verbose_name='name')),
                ('figure', models.FloatField(verbose_name='figure')),
                ('notified_figure', models.FloatField(null=True)),
                ('raised_at', models.DateTimeField(verbose_name='noticed at')),
                ('cleared_at', models.DateTimeField(null=True, verbose_name='over since')),
            ],
            options={
                'verbose_name': 'feed alert',
                'verbose_name_plural': 'feed alerts',
                'constraints': [models.UniqueConstraint(fields=('kind', 'key'), name='changefeed_feedalert_once')],
            },
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('actor', models.TextField(verbose_name='actor')),
                ('reason', models.TextField(blank=True, verbose_name='reason')),
                ('subject_kind', models.TextField(blank=True, verbose_name='subject kind')),
                ('subject_id', models.TextField(blank=True, verbose_name='subject')),
                ('since', models.DateTimeField(null=True, verbose_name='recorded from')),
                ('until', models.DateTimeField(null=True, verbose_name='recorded until')),
                ('first_seq', models.BigIntegerField()),
                ('next_seq', models.BigIntegerField()),
                ('last_seq', models.BigIntegerField()),
                ('subjects', models.PositiveIntegerField(default=0, verbose_name='subjects told again')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='asked for at')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='all under way at')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='replays', to='changefeed.endpoint', verbose_name='endpoint')),
            ],
            options={
                'verbose_name': 'replay',
                'verbose_name_plural': 'replays',
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='LagSample',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='time')),
                ('pending_lanes', models.PositiveIntegerField(verbose_name='subjects waiting')),
                ('parked_lanes', models.PositiveIntegerField(verbose_name='subjects parked')),
                ('oldest_pending_seconds', models.FloatField(verbose_name='oldest waiting for, seconds')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lag_samples', to='changefeed.endpoint', verbose_name='endpoint')),
            ],
            options={
                'verbose_name': 'sample of lag',
                'verbose_name_plural': 'samples of lag',
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'at'), name='changefeed_lagsample_once_a_minute')],
            },
        ),
        migrations.RunSQL(ROOM_TO_CLAIM, ROOM_AS_BEFORE),
    ]
