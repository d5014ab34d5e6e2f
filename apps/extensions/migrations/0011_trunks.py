"""A trunk's settings, numbers and host names, what was heard of it, and a version that changes with all of these."""

import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.db import migrations, models

# Every trunk there is gets the settings a new one has: it takes no calls out, and its numbers stay as they are.
SETTINGS = """
INSERT INTO extensions_trunksettings (
    peer_id, server, call_mode, inbound_strip, inbound_add, outbound_prefixes, outbound_strip, outbound_add,
    priority)
SELECT id, '', 'proxy', 0, '', '', 0, '', 100 FROM extensions_peer WHERE kind = 'trunk'
"""

# The row's lock makes those who change trunks take turns until they commit, so that no version is read before all
# that it stands for can be.
FUNCTIONS = """
CREATE FUNCTION extensions_trunks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        INSERT INTO extensions_trunkversion VALUES (1, pg_current_xact_id()::text::bigint)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION extensions_trunk_peers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed WHERE kind = 'trunk') THEN
        INSERT INTO extensions_trunkversion VALUES (1, pg_current_xact_id()::text::bigint)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION extensions_resolved_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO extensions_trunkversion VALUES (1, pg_current_xact_id()::text::bigint)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER resolved_added AFTER INSERT OR DELETE ON extensions_resolvedname
    FOR EACH ROW EXECUTE FUNCTION extensions_resolved_changed();
CREATE TRIGGER resolved_changed AFTER UPDATE ON extensions_resolvedname
    FOR EACH ROW WHEN (old.addresses IS DISTINCT FROM new.addresses) EXECUTE FUNCTION extensions_resolved_changed();
"""
UNDO = """
DROP TRIGGER resolved_added ON extensions_resolvedname;
DROP TRIGGER resolved_changed ON extensions_resolvedname;
DROP FUNCTION extensions_resolved_changed();
DROP FUNCTION extensions_trunk_peers_changed();
DROP FUNCTION extensions_trunks_changed();
"""
WATCHED = {
    "trunksettings": "extensions_trunks_changed",
    "trustedaddress": "extensions_trunks_changed",
    "trustedhost": "extensions_trunks_changed",
    "trunknumber": "extensions_trunks_changed",
    "blockedsource": "extensions_trunks_changed",
    "peer": "extensions_trunk_peers_changed",
}
ROWS = {"insert": "NEW", "update": "NEW", "delete": "OLD"}


def triggers():
    for table, function in WATCHED.items():
        for event, rows in ROWS.items():
            yield migrations.RunSQL(
                f"CREATE TRIGGER trunks_{event} AFTER {event} ON extensions_{table} "
                f"REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
                f"DROP TRIGGER trunks_{event} ON extensions_{table}",
            )


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0010_call_mode'),
    ]

    operations = [
        migrations.CreateModel(
            name='ResolvedName',
            fields=[
                ('name', models.CharField(db_collation='C', max_length=253, primary_key=True, serialize=False)),
                ('addresses', django.contrib.postgres.fields.ArrayField(base_field=models.GenericIPAddressField(), default=list, size=None)),
                ('resolved_at', models.DateTimeField(help_text='When it last led somewhere.', null=True)),
                ('tried_at', models.DateTimeField(null=True)),
                ('problem', models.CharField(default='', help_text='Of the last try; empty: none.', max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='TrunkSighting',
            fields=[
                ('peer', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='sighting', serialize=False, to='extensions.peer')),
                ('at', models.DateTimeField()),
                ('received_addr', models.GenericIPAddressField()),
                ('received_port', models.PositiveIntegerField()),
                ('transport', models.CharField(max_length=4)),
                ('method', models.CharField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name='TrunkVersion',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('version', models.BigIntegerField(help_text='The transaction that changed something last.')),
            ],
        ),
        migrations.CreateModel(
            name='TrunkSettings',
            fields=[
                ('peer', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='trunk_settings', serialize=False, to='extensions.peer')),
                ('server', models.CharField(blank=True, default='', help_text='host or host:port, over UDP.', max_length=262)),
                ('call_mode', models.CharField(choices=[('proxy', 'Relay them to the phones'), ('redirect', "Tell it the phones' addresses (302)")], default='proxy', max_length=8)),
                ('inbound_strip', models.PositiveSmallIntegerField(default=0)),
                ('inbound_add', models.CharField(blank=True, default='', max_length=33)),
                ('outbound_prefixes', models.CharField(blank=True, default='', max_length=300)),
                ('outbound_strip', models.PositiveSmallIntegerField(default=0)),
                ('outbound_add', models.CharField(blank=True, default='', max_length=33)),
                ('priority', models.PositiveSmallIntegerField(default=100, help_text='The lowest is tried first.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('call_mode__in', ['proxy', 'redirect'])), name='trunk_call_mode_known'), models.CheckConstraint(condition=models.Q(('inbound_strip__lte', 32), ('outbound_strip__lte', 32)), name='trunk_strip_to_32', violation_error_message='At most 32 digits can be taken off.'), models.CheckConstraint(condition=models.Q(('inbound_add__regex', '^(\\+?[0-9*#]{0,32})$'), ('outbound_add__regex', '^(\\+?[0-9*#]{0,32})$')), name='trunk_added_is_a_number', violation_error_message='What is put in front is digits, * or #, with or without a + first.')],
            },
        ),
        migrations.CreateModel(
            name='TrunkNumber',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(db_collation='C', max_length=33)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('extension', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trunk_numbers', to='extensions.extension')),
                ('peer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trunk_numbers', to='extensions.peer')),
            ],
            options={
                'ordering': ['number'],
                'constraints': [models.UniqueConstraint(fields=('peer', 'number'), name='trunk_number_once_per_trunk', violation_error_message='This trunk has this number already.'), models.CheckConstraint(condition=models.Q(('number__regex', '^\\+?[0-9*#]{1,32}$')), name='trunk_number_is_a_number', violation_error_message='A number is digits, * or #, with or without a + first.')],
            },
        ),
        migrations.CreateModel(
            name='TrustedHost',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(db_collation='C', max_length=253)),
                ('port', models.PositiveIntegerField(blank=True, help_text='Empty: any port.', null=True)),
                ('transport', models.CharField(choices=[('any', 'Any'), ('udp', 'UDP'), ('tcp', 'TCP'), ('tls', 'TLS')], default='any', max_length=4)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('peer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trusted_hosts', to='extensions.peer')),
            ],
            options={
                'ordering': ['name', 'port'],
                'constraints': [models.UniqueConstraint(fields=('peer', 'name', 'port', 'transport'), name='trusted_host_once_per_trunk', nulls_distinct=False, violation_error_message='This trunk trusts this name already.'), models.CheckConstraint(condition=models.Q(('port__isnull', True), ('port__range', (1, 65535)), _connector='OR'), name='trusted_host_port', violation_error_message='Give a port from 1 to 65535, or none for any.'), models.CheckConstraint(condition=models.Q(('transport__in', ['any', 'udp', 'tcp', 'tls'])), name='trusted_host_transport_known')],
            },
        ),
        migrations.RunSQL(SETTINGS, migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTIONS, UNDO),
        *triggers(),
    ]
