"""The overview: what lists are ordered, filtered, counted and searched by, with the functions that keep it.

`registrar_overview_catch_up` looks at what happened since it ran last and writes what differs from the view
`registrar_standing`. It is called by every SIP worker each second and by pages before they read; an advisory lock makes
one work at a time, so that nobody writes what he read before another wrote. Nothing of it runs in a REGISTER.
"""

import django.db.models.deletion
from django.db import migrations, models

# Every run of three characters: what PostgreSQL's own GIN can find parts of words by, for the extension
# pg_trgm is not there in every installation.
GRAMS = """
CREATE FUNCTION registrar_grams(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT ARRAY(SELECT substr($1, n, 3) FROM generate_series(1, length($1) - 2) AS n)
$$;
CREATE INDEX overview_by_grams ON registrar_overviewtext USING gin (registrar_grams(text));
"""

# Writes what differs, and the counts in the same statement. Whoever calls it holds the lock.
PROJECT = """
CREATE FUNCTION registrar_overview_project(ids uuid[]) RETURNS void LANGUAGE sql AS $$
WITH fresh AS MATERIALIZED (
    SELECT p.id AS peer_id, length(e.number) AS number_length, e.number, p.name, a.received_addr,
        array_position(ARRAY['online', 'late', 'unreachable', 'refused', 'offline', 'never_registered', 'disabled'],
            s.state::text) * 2 - 2 + (s.attention <> '')::integer AS bucket,
        b.contacts,
        CASE WHEN s.is_live AND s.state <> 'disabled' THEN s.online_since END AS online_since,
        CASE WHEN s.is_live AND s.state <> 'disabled' THEN s.first_expires_at END AS first_expires_at,
        CASE WHEN s.state <> 'disabled' THEN least(
            -- A minute before the end, so that the next to expire are known by name; and at the end.
            CASE WHEN s.first_expires_at - interval '1 minute' > statement_timestamp()
                THEN s.first_expires_at - interval '1 minute' ELSE s.first_expires_at END,
            b.late_at,
            -- A renewal ends these, and is no event of that moment. Asked less and less often.
            CASE WHEN s.is_live AND s.refused_since_success THEN
                statement_timestamp() + greatest(interval '10 seconds', (statement_timestamp() - a.refused_at) / 10) END,
            statement_timestamp() + greatest(interval '10 seconds', (statement_timestamp() - b.late_since) / 10)
                * CASE WHEN b.late_since IS NOT NULL THEN 1 END,
            CASE WHEN a.moves >= 6 AND a.moves_since > statement_timestamp() - interval '1 hour'
                THEN a.moves_since + interval '1 hour' END,
            CASE WHEN a.new_network_at > statement_timestamp() - interval '24 hours'
                THEN a.new_network_at + interval '24 hours' END,
            (SELECT min(t.last_at) + interval '1 hour' FROM registrar_stranger t
             WHERE t.meant_peer_id = p.id AND t.last_at > statement_timestamp() - interval '1 hour')) END AS check_at,
        lower(left(concat_ws(' ', p.name, nullif(e.number, p.name), e.display_name, a.user_agent, b.text), 1000) COLLATE "default") AS text
    FROM unnest(ids) AS picked(peer_id)
    JOIN extensions_peer p ON p.id = picked.peer_id AND p.kind = 'device'
    JOIN extensions_extension e ON e.id = p.extension_id
    JOIN registrar_standing s ON s.peer_id = p.id
    LEFT JOIN registrar_peeractivity a ON a.peer_id = p.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS contacts,
            min(o.late_at) FILTER (WHERE o.late_at > statement_timestamp()) AS late_at,
            min(o.late_at) FILTER (WHERE o.late_at <= statement_timestamp()) AS late_since,
            string_agg(concat_ws(' ', host(o.received_addr), left(o.contact, 150), left(o.user_agent, 100)), ' '
                       ORDER BY o.registered_at, o.binding_id) AS text
        FROM registrar_binding o
        WHERE s.is_live AND o.peer_id = p.id AND o.expires_at > statement_timestamp()
    ) AS b
), old AS (
    SELECT peer_id, bucket, contacts FROM registrar_overview WHERE peer_id = ANY(ids)
), gone AS (
    DELETE FROM registrar_overview
    WHERE peer_id IN (SELECT peer_id FROM old EXCEPT SELECT peer_id FROM fresh)
), gone_text AS (
    DELETE FROM registrar_overviewtext
    WHERE peer_id IN (SELECT peer_id FROM old EXCEPT SELECT peer_id FROM fresh)
), placed AS (
    INSERT INTO registrar_overview AS o (peer_id, bucket, number_length, number, name, received_addr, online_since,
                                         first_expires_at, contacts, check_at)
    SELECT peer_id, bucket, number_length, number, name, received_addr, online_since, first_expires_at, contacts, check_at
    FROM fresh
    ON CONFLICT (peer_id) DO UPDATE SET
        bucket = excluded.bucket, received_addr = excluded.received_addr, online_since = excluded.online_since,
        first_expires_at = excluded.first_expires_at, contacts = excluded.contacts, check_at = excluded.check_at
    WHERE (o.bucket, o.received_addr, o.online_since, o.first_expires_at, o.contacts, o.check_at) IS DISTINCT FROM
        (excluded.bucket, excluded.received_addr, excluded.online_since, excluded.first_expires_at, excluded.contacts,
         excluded.check_at)
), told AS (
    INSERT INTO registrar_overviewtext AS t (peer_id, text) SELECT peer_id, text FROM fresh
    -- What is left of a text is no other: a phone that goes and comes again as it was costs no write.
    ON CONFLICT (peer_id) DO UPDATE SET text = excluded.text WHERE NOT starts_with(t.text, excluded.text)
)
INSERT INTO registrar_overviewcount AS c (bucket, peers, contacts)
SELECT bucket, sum(peers), sum(contacts)
FROM (SELECT bucket, 1 AS peers, contacts FROM fresh
      UNION ALL SELECT bucket, -1, -contacts FROM old) AS deltas
GROUP BY bucket HAVING sum(peers) <> 0 OR sum(contacts) <> 0
ON CONFLICT (bucket) DO UPDATE SET peers = c.peers + excluded.peers, contacts = c.contacts + excluded.contacts
$$;
"""

# most: of each kind of news, so many at once; passing: so many peers of the pass through all; rest: nothing is done
# within it of the last run, and nobody is waited for. Comes back with how many peers were looked at for news; -1 if
# somebody else is at it.
CATCH_UP = """
CREATE FUNCTION registrar_overview_catch_up(most integer, passing integer, rest interval) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    lock_key CONSTANT bigint := x'6f76657276696577'::bigint;
    began CONSTANT timestamptz := clock_timestamp();
    patience CONSTANT text := current_setting('lock_timeout');
    zero CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    progress registrar_overviewprogress;
    ids uuid[];
    named uuid[];
    found integer;
    since timestamptz;
    timely boolean;
    last_peer uuid;
BEGIN
    IF rest > interval '0' THEN
        IF NOT pg_try_advisory_xact_lock(lock_key) THEN RETURN -1; END IF;
    ELSE
        BEGIN
            PERFORM set_config('lock_timeout', '200ms', true);
            PERFORM pg_advisory_xact_lock(lock_key);
            PERFORM set_config('lock_timeout', patience, true);
        EXCEPTION WHEN lock_not_available THEN RETURN -1;
        END;
    END IF;
    INSERT INTO registrar_overviewprogress VALUES (1, '-infinity', began - interval '1 minute', began - interval '1 minute', zero)
        ON CONFLICT DO NOTHING;
    SELECT * INTO progress FROM registrar_overviewprogress;
    IF progress.ran_at > began - rest THEN RETURN 0; END IF;
    since := progress.settled_until;

    WITH done AS (
        DELETE FROM registrar_overviewdue
        WHERE id IN (SELECT id FROM registrar_overviewdue ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED)
        RETURNING peer_id)
    SELECT array_agg(peer_id) INTO ids FROM done;

    -- What time alone changes is the workers' part; a page does it where there is none.
    timely := rest > interval '0' OR progress.ran_at < began - interval '3 seconds';
    IF timely THEN
        SELECT ids || array_agg(peer_id) INTO ids FROM (
            SELECT peer_id FROM registrar_overview WHERE check_at <= began ORDER BY check_at LIMIT most) AS timed;
    END IF;

    -- At once, and once more when every transaction that had read its clock by then is through.
    SELECT array_agg(peer_id), CASE WHEN count(*) < most THEN began ELSE max(at) END INTO named, progress.read_until FROM (
        SELECT at, peer_id FROM registrar_registrationevent
        WHERE at > progress.read_until AND at <= began ORDER BY at FETCH FIRST most ROWS WITH TIES) AS news;
    ids := ids || named;
    SELECT array_agg(peer_id), CASE WHEN count(*) < most THEN began - interval '5 seconds' ELSE max(at) END
    INTO named, progress.settled_until FROM (
        SELECT at, peer_id FROM registrar_registrationevent
        WHERE at > progress.settled_until AND at <= began - interval '5 seconds'
        ORDER BY at FETCH FIRST most ROWS WITH TIES) AS settled;
    ids := ids || named;

    -- A refusal goes on within its minute and counts up in its row; what came to nothing is written when it has.
    SELECT ids || array_agg(peer_id) INTO ids FROM (
        (SELECT peer_id FROM registrar_registrationevent
         WHERE at > since - interval '1 minute' AND at <= began AND CASE event
             WHEN 'refused' THEN last_at > at AND last_at > since
             WHEN 'unanswered' THEN last_at > since - interval '30 seconds' END
         LIMIT most)
        UNION ALL
        (SELECT meant_peer_id FROM registrar_stranger WHERE last_at > since - interval '15 seconds' LIMIT most)
    ) AS going_on;

    SELECT array_agg(DISTINCT id), count(DISTINCT id) INTO ids, found FROM unnest(ids) AS id WHERE id IS NOT NULL;
    PERFORM registrar_overview_project(coalesce(ids, '{}'));

    IF passing > 0 THEN
        SELECT array_agg(id), CASE WHEN count(*) < passing THEN NULL ELSE max(id::text)::uuid END INTO ids, last_peer FROM (
            SELECT id FROM extensions_peer WHERE id > progress.passed ORDER BY id LIMIT passing) AS part;
        SELECT coalesce(ids, '{}') || array_agg(peer_id) INTO ids FROM registrar_overview o
        WHERE peer_id > progress.passed AND (last_peer IS NULL OR peer_id <= last_peer)
          AND NOT EXISTS (SELECT FROM extensions_peer p WHERE p.id = o.peer_id);
        PERFORM registrar_overview_project(coalesce(ids, '{}'));
        IF last_peer IS NULL THEN
            PERFORM registrar_overview_count();
        END IF;
        progress.passed := coalesce(last_peer, zero);
    END IF;

    UPDATE registrar_overviewprogress SET ran_at = CASE WHEN timely THEN began ELSE ran_at END, read_until = progress.read_until,
        settled_until = progress.settled_until, passed = progress.passed;
    RETURN found;
END $$;
"""

COUNT = """
CREATE FUNCTION registrar_overview_count() RETURNS void LANGUAGE sql AS $$
WITH counted AS (
    SELECT bucket, count(*) AS peers, sum(contacts) AS contacts FROM registrar_overview GROUP BY bucket
    UNION ALL
    SELECT bucket, 0, 0 FROM registrar_overviewcount c
    WHERE NOT EXISTS (SELECT FROM registrar_overview o WHERE o.bucket = c.bucket)
)
INSERT INTO registrar_overviewcount AS c SELECT * FROM counted
ON CONFLICT (bucket) DO UPDATE SET peers = excluded.peers, contacts = excluded.contacts
WHERE (c.peers, c.contacts) IS DISTINCT FROM (excluded.peers, excluded.contacts)
$$;
"""

# Changes of the directory, whoever makes them. Not of what a REGISTER writes.
TRIGGERS = """
CREATE FUNCTION registrar_overview_peers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registrar_overviewdue (peer_id) SELECT id FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION registrar_overview_extensions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registrar_overviewdue (peer_id)
    SELECT p.id FROM changed JOIN extensions_peer p ON p.extension_id = changed.id;
    RETURN NULL;
END $$;
CREATE TRIGGER overview_peer_added AFTER INSERT ON extensions_peer REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registrar_overview_peers_changed();
CREATE TRIGGER overview_peer_changed AFTER UPDATE ON extensions_peer REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registrar_overview_peers_changed();
CREATE TRIGGER overview_peer_gone AFTER DELETE ON extensions_peer REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registrar_overview_peers_changed();
CREATE TRIGGER overview_extension_changed AFTER UPDATE ON extensions_extension REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registrar_overview_extensions_changed();
INSERT INTO registrar_overviewdue (peer_id) SELECT id FROM extensions_peer;
"""

UNDO = """
DROP TRIGGER overview_peer_added ON extensions_peer;
DROP TRIGGER overview_peer_changed ON extensions_peer;
DROP TRIGGER overview_peer_gone ON extensions_peer;
DROP TRIGGER overview_extension_changed ON extensions_extension;
DROP FUNCTION registrar_overview_peers_changed, registrar_overview_extensions_changed, registrar_overview_catch_up,
    registrar_overview_project, registrar_overview_count;
DROP INDEX overview_by_grams;
DROP FUNCTION registrar_grams;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0006_folded_names'),
        ('registrar', '0106_binding_storage'),
    ]

    operations = [
        migrations.CreateModel(
            name='OverviewCount',
            fields=[
                ('bucket', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('peers', models.BigIntegerField()),
                ('contacts', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='OverviewDue',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('peer_id', models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name='OverviewProgress',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('ran_at', models.DateTimeField()),
                ('read_until', models.DateTimeField()),
                ('settled_until', models.DateTimeField()),
                ('passed', models.UUIDField(help_text='The last peer of the pass.')),
            ],
        ),
        migrations.CreateModel(
            name='OverviewText',
            fields=[
                ('peer', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to='extensions.peer')),
                ('text', models.TextField(db_collation='C')),
            ],
        ),
        migrations.CreateModel(
            name='Overview',
            fields=[
                ('peer', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='overview', serialize=False, to='extensions.peer')),
                ('bucket', models.SmallIntegerField()),
                ('number_length', models.SmallIntegerField()),
                ('number', models.TextField(db_collation='C')),
                ('name', models.TextField(db_collation='C')),
                ('received_addr', models.GenericIPAddressField(null=True)),
                ('online_since', models.DateTimeField(null=True)),
                ('first_expires_at', models.DateTimeField(help_text='As of the last look; later by renewals.', null=True)),
                ('contacts', models.SmallIntegerField()),
                ('check_at', models.DateTimeField(help_text='When to look again though nothing happens.', null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['bucket', 'number_length', 'number', 'name', 'peer'], name='overview_by_number'), models.Index(fields=['bucket', 'name', 'peer'], name='overview_by_name'), models.Index(fields=['bucket', 'received_addr', 'number_length', 'number', 'name', 'peer'], name='overview_by_address'), models.Index(fields=['bucket', 'online_since', 'peer'], name='overview_by_online_since'), models.Index(fields=['bucket', 'first_expires_at', 'peer'], name='overview_by_expiry'), models.Index(condition=models.Q(('check_at__isnull', False)), fields=['check_at'], name='overview_by_check')],
            },
        ),
        migrations.RunSQL("\n".join((GRAMS, PROJECT, COUNT, CATCH_UP, TRIGGERS)), UNDO),
    ]
