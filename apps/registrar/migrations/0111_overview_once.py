"""The overview looks at each event once, and at a peer's bindings once.

An event is looked at when it can be read first; which of the last seconds were is kept as ranges of their numbers, so that
one which is committed late is found and the others are not looked at again. What the view `registrar_standing` finds in a
peer's bindings serves the overview, too.
"""

from importlib import import_module

from django.db import migrations

STANDING = import_module("apps.registrar.migrations.0105_standing")
OVERVIEW = import_module("apps.registrar.migrations.0107_overview")

SEEN = """
ALTER TABLE registrar_overviewprogress ADD COLUMN seen int8multirange NOT NULL DEFAULT '{}';
"""

VIEW = """
CREATE OR REPLACE VIEW registrar_standing AS
SELECT peer_id, state, attention, is_live, online_since, first_expires_at, last_expiry, refused_since_success,
    -- Attention first, the state that is worse before; then offline, never registered, online, disabled.
    CASE WHEN state = 'refused' THEN 0 WHEN attention <> '' AND NOT is_live THEN 1 WHEN attention <> '' THEN 2
         WHEN state = 'offline' THEN 3 WHEN state = 'never_registered' THEN 4 WHEN state = 'online' THEN 5
         ELSE 6 END AS state_rank,
    contacts, next_late_at, late_since, contact_text
FROM (
    SELECT *,
        -- In the order of the verdict (apps/diagnosis/explain.py); what only a phone that is off can tell comes last.
        coalesce(CASE
            WHEN state = 'disabled' THEN ''
            WHEN stranger = 'blocked_source' THEN 'blocked_source'
            WHEN refused_since_success AND (is_live OR unanswered_at IS NULL OR unanswered_at <= refused_at)
                THEN refused_reason
            -- Of a phone that is online an unanswered challenge says nothing, for anybody can ask for one.
            WHEN NOT is_live AND (unanswered_at > greatest(registered_at, heard_at)
                                  OR (unanswered_at IS NOT NULL AND registered_at IS NULL)) THEN unanswered_reason
            WHEN state = 'unreachable' THEN 'unreachable'
            WHEN state = 'late' THEN 'renewal_late'
            WHEN is_live AND moves >= 6 AND moves_since > asked_at - interval '1 hour' THEN 'address_changing'
            WHEN is_live AND new_network_at > asked_at - interval '24 hours' THEN 'unexpected_place'
            WHEN NOT is_live THEN CASE stranger
                WHEN 'unknown_user' THEN 'typo_user' WHEN 'not_our_domain' THEN 'wrong_domain'
                WHEN 'wrong_realm' THEN 'wrong_realm' WHEN 'malformed' THEN 'malformed' END
        END, '') AS attention
    FROM (
        SELECT p.id AS peer_id, statement_timestamp() AS asked_at, b.*, a.registered_at, a.heard_at, a.refused_at,
            a.refused_reason, a.unanswered_at, a.unanswered_reason, a.moves, a.moves_since, a.new_network_at, stranger,
            refused_since_success,
            CASE WHEN NOT p.enabled OR NOT coalesce(e.enabled, true) THEN 'disabled'
                 WHEN b.is_well THEN 'online'
                 WHEN b.is_live AND b.is_unreachable THEN 'unreachable'
                 WHEN b.is_live THEN 'late'
                 WHEN refused_since_success THEN 'refused'
                 WHEN a.registered_at IS NOT NULL THEN 'offline'
                 ELSE 'never_registered' END AS state
        FROM extensions_peer p
        LEFT JOIN extensions_extension e ON e.id = p.extension_id
        LEFT JOIN registrar_peeractivity a ON a.peer_id = p.id
        CROSS JOIN LATERAL (
            SELECT coalesce(bool_or(is_live), false) AS is_live,
                coalesce(bool_or(is_live AND is_on_time AND NOT is_unreachable), false) AS is_well,
                coalesce(bool_or(is_live AND is_unreachable), false) AS is_unreachable,
                min(registered_at) FILTER (WHERE is_live) AS online_since,
                min(expires_at) FILTER (WHERE is_live) AS first_expires_at,
                max(refreshed_at) FILTER (WHERE is_live) AS last_refresh,
                max(expires_at) FILTER (WHERE NOT is_live) AS last_expiry,
                count(*) FILTER (WHERE is_live) AS contacts,
                min(late_at) FILTER (WHERE is_live AND is_on_time) AS next_late_at,
                min(late_at) FILTER (WHERE is_live AND NOT is_on_time) AS late_since,
                string_agg(text, ' ' ORDER BY registered_at, binding_id) FILTER (WHERE is_live) AS contact_text
            FROM (
                SELECT o.registered_at, o.expires_at, o.refreshed_at, o.late_at, o.binding_id,
                    o.expires_at > statement_timestamp() AS is_live,
                    -- What is said already is not said again: each run of three characters is an entry in an index.
                    concat_ws(' ', CASE WHEN strpos(left(o.contact, 150), host(o.received_addr)) = 0 THEN host(o.received_addr) END,
                        left(o.contact, 150), CASE WHEN NOT starts_with(coalesce(a.user_agent, ''), left(o.user_agent, 100))
                        THEN left(o.user_agent, 100) END) AS text,
                    coalesce(o.late_at > statement_timestamp(), true) AS is_on_time,
                    coalesce(r.state = 'unreachable', false) AS is_unreachable
                FROM registrar_binding o LEFT JOIN registrar_probe r ON r.binding_id = o.binding_id
                WHERE o.peer_id = p.id
            ) AS own
        ) AS b
        CROSS JOIN LATERAL (
            SELECT a.refused_at IS NOT NULL
                AND (a.registered_at IS NULL OR a.refused_at > greatest(a.registered_at, b.last_refresh))
                AS refused_since_success
        ) AS f
        -- Who seems to mean the peer was refused last. Who tries many names looks for any, and means nobody.
        LEFT JOIN LATERAL (
            SELECT s.reason AS stranger FROM registrar_stranger s
            WHERE s.meant_peer_id = p.id AND s.last_at > statement_timestamp() - interval '1 hour'
              AND (SELECT count(DISTINCT t.username) FROM registrar_stranger t WHERE t.received_addr = s.received_addr)
                  <= 3
            ORDER BY s.last_at DESC LIMIT 1
        ) AS s ON true
    ) AS facts
) AS judged
"""

PROJECT = """
CREATE OR REPLACE FUNCTION registrar_overview_project(ids uuid[]) RETURNS void LANGUAGE sql AS $$
WITH fresh AS MATERIALIZED (
    SELECT p.id AS peer_id, length(e.number) AS number_length, e.number, p.name, a.received_addr,
        array_position(ARRAY['online', 'late', 'unreachable', 'refused', 'offline', 'never_registered', 'disabled'],
            s.state::text) * 2 - 2 + (s.attention <> '')::integer AS bucket,
        s.contacts,
        CASE WHEN s.is_live AND s.state <> 'disabled' THEN s.online_since END AS online_since,
        CASE WHEN s.is_live AND s.state <> 'disabled' THEN s.first_expires_at END AS first_expires_at,
        CASE WHEN s.state <> 'disabled' THEN least(
            -- A minute before the end, so that the next to expire are known by name; and at the end.
            CASE WHEN s.first_expires_at - interval '1 minute' > statement_timestamp()
                THEN s.first_expires_at - interval '1 minute' ELSE s.first_expires_at END,
            s.next_late_at,
            -- A renewal ends these, and is no event of that moment. Asked less and less often.
            CASE WHEN s.is_live AND s.refused_since_success THEN
                statement_timestamp() + greatest(interval '10 seconds', (statement_timestamp() - a.refused_at) / 10) END,
            statement_timestamp() + greatest(interval '10 seconds', (statement_timestamp() - s.late_since) / 10)
                * CASE WHEN s.late_since IS NOT NULL THEN 1 END,
            CASE WHEN a.moves >= 6 AND a.moves_since > statement_timestamp() - interval '1 hour'
                THEN a.moves_since + interval '1 hour' END,
            CASE WHEN a.new_network_at > statement_timestamp() - interval '24 hours'
                THEN a.new_network_at + interval '24 hours' END,
            (SELECT min(t.last_at) + interval '1 hour' FROM registrar_stranger t
             WHERE t.meant_peer_id = p.id AND t.last_at > statement_timestamp() - interval '1 hour')) END AS check_at,
        lower(left(concat_ws(' ', p.name, nullif(e.number, p.name), e.display_name, a.user_agent, s.contact_text), 1000) COLLATE "default") AS text
    FROM unnest(ids) AS picked(peer_id)
    JOIN extensions_peer p ON p.id = picked.peer_id AND p.kind = 'device'
    JOIN extensions_extension e ON e.id = p.extension_id
    JOIN registrar_standing s ON s.peer_id = p.id
    LEFT JOIN registrar_peeractivity a ON a.peer_id = p.id
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

CATCH_UP = """
CREATE OR REPLACE FUNCTION registrar_overview_catch_up(most integer, passing integer, rest interval) RETURNS integer
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

    -- As soon as it can be read. Who had read the clock before is through after 5 seconds; until then what comes late is
    -- told from what was looked at by its number.
    SELECT array_agg(peer_id), coalesce(range_agg(int8range(event_id, event_id, '[]')), '{}') + progress.seen,
        CASE WHEN count(*) < most THEN began ELSE max(at) END
    INTO named, progress.seen, progress.read_until FROM (
        SELECT at, event_id, peer_id FROM registrar_registrationevent
        WHERE at > progress.settled_until AND at <= began AND NOT progress.seen @> event_id
        ORDER BY at FETCH FIRST most ROWS WITH TIES) AS news;
    ids := ids || named;
    progress.settled_until := greatest(progress.settled_until, progress.read_until - interval '5 seconds');
    SELECT coalesce(range_agg(int8range(event_id, event_id, '[]')), '{}') INTO progress.seen
    FROM registrar_registrationevent
    WHERE at > progress.settled_until AND at <= progress.read_until AND progress.seen @> event_id;

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
        settled_until = progress.settled_until, seen = progress.seen, passed = progress.passed;
    RETURN found;
END $$;
"""

UNDO = f"""
DROP FUNCTION registrar_overview_catch_up, registrar_overview_project;
DROP VIEW registrar_standing;
ALTER TABLE registrar_overviewprogress DROP COLUMN seen;
{STANDING.VIEW};
{OVERVIEW.PROJECT}
{OVERVIEW.CATCH_UP}
"""


class Migration(migrations.Migration):

    dependencies = [
        ('registrar', '0110_turned_away'),
    ]

    operations = [
        migrations.RunSQL("\n".join((SEEN, VIEW, ";", PROJECT, CATCH_UP)), UNDO),
    ]
