"""Webhooks, the feed they and the event stream read, and two things it rests on:

Each new row of the ledger carries its transaction's number, so that a reader can tell what it has not seen yet
(apps/webhooks/sql.py). And a change of state in the overview leaves a row on its way to the feed, as long as somebody
has fed within a day: a trigger that looks at two numbers of a row that is written anyway.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.db import migrations, models


LEDGER = """
ALTER TABLE registrar_registrationevent ADD COLUMN tx xid8;
ALTER TABLE registrar_registrationevent ALTER COLUMN tx SET DEFAULT pg_current_xact_id();
CREATE INDEX event_by_tx ON registrar_registrationevent (tx);
"""
LEDGER_UNDO = """
DROP INDEX event_by_tx;
ALTER TABLE registrar_registrationevent DROP COLUMN tx;
"""

# A peer that comes into the overview registered was never seen otherwise, if it is new; else the overview is.
STATES = """
CREATE FUNCTION webhooks_state_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhooks_statechange (at, peer_id, old_state, new_state)
    SELECT statement_timestamp(), NEW.peer_id, CASE TG_OP WHEN 'UPDATE' THEN OLD.bucket / 2 ELSE 5 END, NEW.bucket / 2
    WHERE EXISTS (SELECT FROM webhooks_feedprogress WHERE fed_at > now() - interval '1 day')
      AND (TG_OP = 'UPDATE' OR EXISTS (
          SELECT FROM extensions_peer WHERE id = NEW.peer_id AND created_at > now() - interval '1 minute'));
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_state_changed AFTER UPDATE ON registrar_overview FOR EACH ROW
    WHEN (OLD.bucket / 2 <> NEW.bucket / 2) EXECUTE FUNCTION webhooks_state_changed();
CREATE TRIGGER webhooks_state_begun AFTER INSERT ON registrar_overview FOR EACH ROW
    WHEN (NEW.bucket / 2 < 5) EXECUTE FUNCTION webhooks_state_changed();
"""
STATES_UNDO = """
DROP TRIGGER webhooks_state_changed ON registrar_overview;
DROP TRIGGER webhooks_state_begun ON registrar_overview;
DROP FUNCTION webhooks_state_changed;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('extensions', '0009_lists'),
        ('registrar', '0110_turned_away'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeedProgress',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('snapshot', models.TextField()),
                ('last_id', models.BigIntegerField()),
                ('fed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='StateChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('peer_id', models.UUIDField()),
                ('old_state', models.SmallIntegerField(help_text='As in overview/buckets.py, without attention.')),
                ('new_state', models.SmallIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='FeedEvent',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=16)),
                ('at', models.DateTimeField()),
                ('event_id', models.BigIntegerField(help_text='Its row of the ledger; null: a change of state.', null=True)),
                ('domain', models.TextField(db_collation='C')),
                ('extension', models.TextField(db_collation='C')),
                ('data', models.JSONField()),
            ],
            options={
                'indexes': [models.Index(fields=['at'], name='feed_by_time')],
            },
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64, unique=True)),
                ('url', models.CharField(max_length=2000)),
                ('types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=16), default=list, help_text='Empty: all.', size=None)),
                ('domain', models.TextField(default='', help_text='Empty: all.')),
                ('extension', models.TextField(default='', help_text='Empty: all.')),
                ('enabled', models.BooleanField(default=True)),
                ('sealed_secret', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('cursor', models.BigIntegerField(default=0)),
                ('batch_until', models.BigIntegerField(null=True)),
                ('generation', models.IntegerField(default=0)),
                ('failures', models.IntegerField(default=0)),
                ('failing_since', models.DateTimeField(null=True)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('last_status', models.SmallIntegerField(null=True)),
                ('last_error', models.TextField(default='')),
                ('delivered_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('message_id', models.TextField()),
                ('events', models.IntegerField()),
                ('status', models.SmallIntegerField(null=True)),
                ('duration_ms', models.IntegerField()),
                ('error', models.TextField(default='', help_text='Empty: it was taken.')),
                ('answer', models.TextField(default='', help_text="The beginning of the response's body.")),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='webhooks.webhook')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.RunSQL(LEDGER, LEDGER_UNDO),
        migrations.RunSQL(STATES, STATES_UNDO),
    ]
