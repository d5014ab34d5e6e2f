"""The view `registrar_standing`: which state each peer is in, and what about it needs attention, at the time of asking.

One look at a peer's bindings gives all of it. Must be dropped and made anew by a migration that changes a column it
reads.
"""

import django.db.models.deletion
from django.db import migrations, models

VIEW = """
CREATE VIEW registrar_standing AS
SELECT peer_id, state, attention, is_live, online_since, first_expires_at, last_expiry, refused_since_success,
    -- Attention first, the state that is worse before; then offline, never registered, online, disabled.
    CASE WHEN state = 'refused' THEN 0 WHEN attention <> '' AND NOT is_live THEN 1 WHEN attention <> '' THEN 2
         WHEN state = 'offline' THEN 3 WHEN state = 'never_registered' THEN 4 WHEN state = 'online' THEN 5
         ELSE 6 END AS state_rank
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
                max(expires_at) FILTER (WHERE NOT is_live) AS last_expiry
            FROM (
                SELECT o.registered_at, o.expires_at, o.refreshed_at, o.expires_at > statement_timestamp() AS is_live,
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


class Migration(migrations.Migration):
    dependencies = [("registrar", "0104_trace"), ("extensions", "0006_folded_names")]

    operations = [
        migrations.RunSQL(VIEW, "DROP VIEW registrar_standing"),
        migrations.CreateModel(
            name="Standing",
            fields=[
                (
                    "peer",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="standing",
                        serialize=False,
                        to="extensions.peer",
                    ),
                ),
                ("state", models.CharField(max_length=16)),
                ("attention", models.CharField(max_length=32)),
                ("state_rank", models.IntegerField()),
                ("is_live", models.BooleanField()),
                ("online_since", models.DateTimeField(null=True)),
                ("first_expires_at", models.DateTimeField(null=True)),
                ("last_expiry", models.DateTimeField(null=True)),
                ("refused_since_success", models.BooleanField()),
            ],
            options={"managed": False, "db_table": "registrar_standing"},
        ),
        migrations.AddIndex(
            model_name="stranger",
            index=models.Index(fields=["received_addr"], name="stranger_by_source"),
        ),
    ]
