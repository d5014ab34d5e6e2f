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
        concat(p.version, ' ', c.version, ' ', e.version), p.id, p.extension_id, c.id, c.ha1, p.min_expires_s,
        p.max_expires_s, b.binding_id, b.binding_key, b.contact, b.q, b.instance_id, b.reg_id, b.pub_gruu) END,
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
# (C92). Rows must come in the order of their lock keys. The rhythm is learned as rhythm.py has it; OFFSET 0 has a step
# of that computed once.
RENEW: Final = f"""
WITH r AS MATERIALIZED (
    SELECT x.*, pg_advisory_xact_lock(x.lock_key) FROM json_to_recordset(%(rows)s) AS x(
        n integer, lock_key bigint, aor text, key bytea, source inet, peer_id uuid, credential_id uuid,
        extension_id uuid, versions text, binding_id uuid, bindings integer, cseq bigint, granted_s integer,
        whole_s integer, temp_gruu text, nonce text, nc bigint, repeat_key bytea, request_key bytea, answer text,
        nonce_expires_at_s bigint)
), unchanged AS MATERIALIZED (
    SELECT r.*, o.cseq AS was_cseq, learned.*
    FROM r
    CROSS JOIN LATERAL (
        SELECT binding_id, renewal_key, cseq, refreshed_at, expires_at, renewal_gap_s, renewal_dev_s, late_at,
            count(*) OVER () AS bindings
        FROM registrar_binding WHERE aor = r.aor) AS o
    CROSS JOIN LATERAL (SELECT xmin::text AS version FROM extensions_peer WHERE id = r.peer_id LIMIT 1) AS p
    CROSS JOIN LATERAL (
        SELECT xmin::text AS version FROM extensions_credential WHERE id = r.credential_id LIMIT 1) AS c
    LEFT JOIN LATERAL (
        SELECT xmin::text AS version FROM extensions_extension WHERE id = r.extension_id LIMIT 1) AS e ON true
    CROSS JOIN LATERAL (
        SELECT date_part('epoch', statement_timestamp() - o.refreshed_at) AS gap_s,
            date_part('epoch', o.expires_at - o.refreshed_at) AS old_s OFFSET 0) AS gap
    CROSS JOIN LATERAL (
        SELECT CASE
                WHEN abs(r.granted_s - old_s) > {rhythm.SAME_EXPIRY}::float8 * old_s THEN NULL
                WHEN gap_s < {rhythm.SAME_RENEWAL_S} THEN o.renewal_gap_s
                WHEN o.renewal_gap_s IS NULL THEN gap_s
                WHEN o.renewal_dev_s IS NULL THEN (o.renewal_gap_s + gap_s) / 2
                ELSE o.renewal_gap_s + {rhythm.MEAN_GAIN}::float8 * (gap_s - o.renewal_gap_s)
            END AS mean_s, abs(gap_s - o.renewal_gap_s) AS strays_s OFFSET 0) AS mean
    CROSS JOIN LATERAL (
        SELECT mean_s, CASE
                WHEN mean_s IS NULL OR o.renewal_gap_s IS NULL THEN NULL
                WHEN gap_s < {rhythm.SAME_RENEWAL_S} THEN o.renewal_dev_s
                WHEN o.renewal_dev_s IS NULL THEN greatest(strays_s, {rhythm.FIRST_DEVIATION}::float8 * mean_s)
                ELSE greatest(strays_s, o.renewal_dev_s + (strays_s - o.renewal_dev_s) * CASE
                    WHEN o.renewal_dev_s > {rhythm.LARGE_DEVIATION}::float8 * o.renewal_gap_s
                    THEN {rhythm.FAST_DECAY}::float8 ELSE {rhythm.SLOW_DECAY}::float8 END)
            END AS dev_s OFFSET 0) AS learned
    WHERE o.binding_id = r.binding_id AND o.bindings = r.bindings AND o.renewal_key = r.key AND o.cseq < r.cseq
      AND o.refreshed_at <= statement_timestamp() AND o.expires_at > statement_timestamp()
      AND o.expires_at <= statement_timestamp() + (r.whole_s + 5) * interval '1 second'
      AND (o.late_at IS NULL OR o.late_at >= statement_timestamp())
      AND concat(p.version, ' ', c.version, ' ', e.version) = r.versions
      AND abs(date_part('epoch', statement_timestamp()) - %(decided_at_s)s) < 2
      AND NOT EXISTS (
        SELECT FROM json_to_recordset(%(domains)s) AS x(id uuid, version text)
        WHERE NOT EXISTS (SELECT FROM extensions_domain d WHERE d.id = x.id AND d.xmin::text = x.version))
      AND NOT EXISTS (SELECT FROM extensions_blockedsource s WHERE s.network >>= r.source)
      AND NOT EXISTS (SELECT FROM registrar_nonceuse u WHERE u.nonce = r.nonce AND u.nc >= r.nc)
), renewed AS (
    UPDATE registrar_binding AS b SET
        cseq = r.cseq, refreshed_at = statement_timestamp(),
        expires_at = statement_timestamp() + r.granted_s * interval '1 second',
        due_at = least(b.due_at, statement_timestamp() + r.granted_s * interval '1 second'),
        refresh_count = b.refresh_count + 1, temp_gruu = coalesce(r.temp_gruu, b.temp_gruu),
        renewal_gap_s = r.mean_s, renewal_dev_s = r.dev_s,
        late_at = statement_timestamp() + late.s * interval '1 second'
    FROM unchanged r
    CROSS JOIN LATERAL (
        SELECT CASE WHEN margin_s <= r.granted_s - r.mean_s - {rhythm.WORTH_IT_S} THEN r.mean_s + margin_s END AS s
        FROM (
            SELECT CASE WHEN r.dev_s IS NOT NULL THEN greatest(
                {rhythm.DEVIATIONS} * r.dev_s, r.mean_s / 10,
                least({rhythm.LOST_RENEWAL_S}, (r.granted_s - r.mean_s) * 2 / 3), 5) END AS margin_s OFFSET 0
        ) AS margin OFFSET 0) AS late
    WHERE b.aor = r.aor AND b.binding_id = r.binding_id AND b.cseq = r.was_cseq AND b.renewal_key = r.key
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
