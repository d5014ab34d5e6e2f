"""The two statements of the renewals, each a transaction of its own. Must not execute anything."""

from typing import Final

from apps.registrar import rhythm

# Only for a key that is stored is anything else looked up: to all others a known name looks like an unknown one (C91).
# All bindings of the AOR come, for the answer lists them. xmin: which version of a row this is. Each LIMIT keeps the
# planner on the one way that is right however few rows the statistics know of: from the key on, by keys. One row of
# JSON costs half of many columns, and comes in one piece.
READ: Final = """
SELECT extract(epoch FROM statement_timestamp())::float8, json_agg(json_build_array(
    r.n, CASE WHEN b.renewal_key = r.key THEN json_build_array(
        p.version, c.version, e.version, p.id, p.extension_id, c.id, c.ha1, p.min_expires_s, p.max_expires_s,
        b.binding_id, b.binding_key, b.contact, b.q, b.instance_id, b.reg_id, b.pub_gruu) END,
    b.contact, b.q, b.instance_id, b.reg_id, b.pub_gruu, b.temp_gruu, extract(epoch FROM b.registered_at)::float8,
    extract(epoch FROM b.expires_at - statement_timestamp())::float8))::text
FROM json_to_recordset(%(rows)s) AS r(
    n integer, aor text, key bytea, source inet, domain_id uuid, username text, user_part text, algorithm text)
CROSS JOIN LATERAL (
    SELECT peer_id FROM registrar_binding WHERE aor = r.aor AND renewal_key = r.key LIMIT 1) AS m
CROSS JOIN LATERAL (
    SELECT xmin::text AS version, id, name, extension_id, min_expires_s, max_expires_s FROM extensions_peer
    WHERE id = m.peer_id AND enabled LIMIT 1) AS p
CROSS JOIN LATERAL (
    SELECT xmin::text AS version, id,
        CASE r.algorithm WHEN 'MD5' THEN ha1_md5 WHEN 'SHA-256' THEN ha1_sha256 ELSE ha1_sha512_256 END AS ha1
    FROM extensions_credential
    WHERE domain_id = r.domain_id AND username = r.username AND peer_id = m.peer_id AND valid_until IS NULL
    LIMIT 1) AS c
LEFT JOIN LATERAL (
    SELECT xmin::text AS version, number, enabled FROM extensions_extension WHERE id = p.extension_id LIMIT 1
) AS e ON true
JOIN registrar_binding b ON b.aor = r.aor
WHERE coalesce(e.enabled, true) AND (r.user_part = p.name OR r.user_part = e.number)
  AND NOT EXISTS (SELECT FROM extensions_blockedsource s WHERE s.network >>= r.source)
"""

# The AOR's lock like everybody; under it a binding is renewed only if all is as it was when the request before it was
# judged: the account, the domain, who is blocked, how many bindings the answer lists; and only by what comes after all
# before it, neither late nor expired, and was decided in this very second or two. A nonce count that was taken
# meanwhile, by another AOR of the same phone, is null, which no row may have: then nothing of all this is written
# (C92). Rows must come in the order of their lock keys. The rhythm is learned as rhythm.py has it.
RENEW: Final = f"""
WITH r AS MATERIALIZED (
    SELECT x.*, pg_advisory_xact_lock(x.lock_key) FROM json_to_recordset(%(rows)s) AS x(
        n integer, lock_key bigint, aor text, key bytea, source inet, decided_at_s double precision,
        domain_id uuid, domain_version text, peer_id uuid, peer_version text, credential_id uuid,
        credential_version text, extension_id uuid, extension_version text, binding_id uuid, bindings integer,
        cseq bigint, granted_s integer, temp_gruu text, nonce text, nc bigint, repeat_key bytea, request_key bytea,
        answer text, nonce_expires_at_s bigint)
), unchanged AS MATERIALIZED (
    SELECT r.* FROM r
    CROSS JOIN LATERAL (
        SELECT FROM extensions_domain WHERE id = r.domain_id AND xmin::text = r.domain_version LIMIT 1) AS d
    CROSS JOIN LATERAL (
        SELECT FROM extensions_peer WHERE id = r.peer_id AND xmin::text = r.peer_version LIMIT 1) AS p
    CROSS JOIN LATERAL (
        SELECT FROM extensions_credential WHERE id = r.credential_id AND xmin::text = r.credential_version LIMIT 1
    ) AS c
    LEFT JOIN LATERAL (
        SELECT xmin::text AS version FROM extensions_extension WHERE id = r.extension_id LIMIT 1) AS e ON true
    CROSS JOIN LATERAL (SELECT count(*) AS bindings FROM registrar_binding WHERE aor = r.aor) AS listed
    WHERE e.version IS NOT DISTINCT FROM r.extension_version AND listed.bindings = r.bindings
      AND abs(extract(epoch FROM statement_timestamp())::float8 - r.decided_at_s) < 2
      AND NOT EXISTS (SELECT FROM extensions_blockedsource s WHERE s.network >>= r.source)
      AND NOT EXISTS (SELECT FROM registrar_nonceuse u WHERE u.nonce = r.nonce AND u.nc >= r.nc)
), renewed AS (
    UPDATE registrar_binding AS b SET
        cseq = r.cseq, refreshed_at = statement_timestamp(),
        expires_at = statement_timestamp() + r.granted_s * interval '1 second',
        due_at = least(b.due_at, statement_timestamp() + r.granted_s * interval '1 second'),
        refresh_count = b.refresh_count + 1, temp_gruu = coalesce(r.temp_gruu, b.temp_gruu),
        (renewal_gap_s, renewal_dev_s, late_at) = (
            SELECT mean_s, dev_s, CASE WHEN margin_s <= r.granted_s - mean_s - {rhythm.WORTH_IT_S}
                THEN statement_timestamp() + (mean_s + margin_s) * interval '1 second' END
            FROM (
                SELECT mean_s, dev_s,
                    CASE WHEN mean_s IS NOT NULL AND dev_s IS NOT NULL THEN greatest(
                        {rhythm.DEVIATIONS} * dev_s, mean_s / 10,
                        least({rhythm.LOST_RENEWAL_S}, (r.granted_s - mean_s) * 2 / 3), 5) END AS margin_s
                FROM (
                    SELECT
                        CASE
                            WHEN is_other THEN NULL
                            WHEN is_same THEN b.renewal_gap_s
                            WHEN b.renewal_gap_s IS NULL THEN gap_s
                            WHEN b.renewal_dev_s IS NULL THEN (b.renewal_gap_s + gap_s) / 2
                            ELSE b.renewal_gap_s + {rhythm.MEAN_GAIN}::float8 * (gap_s - b.renewal_gap_s)
                        END AS mean_s,
                        CASE
                            WHEN is_other THEN NULL
                            WHEN is_same THEN b.renewal_dev_s
                            WHEN b.renewal_dev_s IS NULL THEN greatest(
                                strays_s, {rhythm.FIRST_DEVIATION}::float8 * ((b.renewal_gap_s + gap_s) / 2))
                            ELSE greatest(strays_s, b.renewal_dev_s + (strays_s - b.renewal_dev_s) * CASE
                                WHEN b.renewal_dev_s > {rhythm.LARGE_DEVIATION}::float8 * b.renewal_gap_s
                                THEN {rhythm.FAST_DECAY}::float8 ELSE {rhythm.SLOW_DECAY}::float8 END)
                        END AS dev_s
                    FROM (
                        SELECT gap_s, gap_s < {rhythm.SAME_RENEWAL_S} AS is_same,
                            abs(gap_s - b.renewal_gap_s) AS strays_s,
                            abs(r.granted_s - old_s) > {rhythm.SAME_EXPIRY}::float8 * old_s AS is_other
                        FROM (
                            SELECT extract(epoch FROM statement_timestamp() - b.refreshed_at)::float8 AS gap_s,
                                extract(epoch FROM b.expires_at - b.refreshed_at)::float8 AS old_s
                        ) AS gap
                    ) AS seen
                ) AS learned
            ) AS rhythm)
    FROM unchanged r
    WHERE b.aor = r.aor AND b.binding_id = r.binding_id AND b.renewal_key = r.key AND b.cseq < r.cseq
      AND b.refreshed_at <= statement_timestamp() AND b.expires_at > statement_timestamp()
      AND b.expires_at <= statement_timestamp() + (r.granted_s + 5) * interval '1 second'
      AND (b.late_at IS NULL OR b.late_at >= statement_timestamp())
    RETURNING r.n
), used AS (
    INSERT INTO registrar_nonceuse AS u (nonce, nc, repeat_key, request_key, answer, accepted_at, expires_at)
    SELECT r.nonce, r.nc, r.repeat_key, r.request_key, r.answer, statement_timestamp(),
        to_timestamp(r.nonce_expires_at_s)
    FROM r JOIN renewed USING (n) ORDER BY r.nonce
    ON CONFLICT (nonce) DO UPDATE SET
        nc = CASE WHEN u.nc < excluded.nc THEN excluded.nc END,
        repeat_key = excluded.repeat_key, request_key = excluded.request_key,
        answer = excluded.answer, accepted_at = excluded.accepted_at
    RETURNING u.nonce
)
SELECT extract(epoch FROM statement_timestamp())::float8, coalesce(array_agg(nonce), '{{}}') FROM used
"""  # noqa: S608 - our own constants
