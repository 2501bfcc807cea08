"""Endpoints that say they take no more messages are alerted to; lanes are called as in the menu."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('changefeed', '0008_lose_no_late_change'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='feedlane',
            options={'verbose_name': 'waiting lane', 'verbose_name_plural': 'waiting lanes'},
        ),
        migrations.AlterField(
            model_name='alertdigest',
            name='kind',
            field=models.TextField(choices=[('parked', 'subjects wait for a person'), ('breaker', 'an endpoint does not answer'), ('gone', 'an address takes no more messages'), ('lag', 'an endpoint is behind'), ('consumer', 'a consumer has stopped pulling'), ('writer', 'a long transaction holds pulling consumers back')], primary_key=True, serialize=False, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='feedalert',
            name='kind',
            field=models.TextField(choices=[('parked', 'subjects wait for a person'), ('breaker', 'an endpoint does not answer'), ('gone', 'an address takes no more messages'), ('lag', 'an endpoint is behind'), ('consumer', 'a consumer has stopped pulling'), ('writer', 'a long transaction holds pulling consumers back')], verbose_name='kind'),
        ),
    ]
