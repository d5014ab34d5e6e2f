"""The two statements of the renewals, each a transaction of its own. Must not execute anything."""

from typing import Final

# Only for a key that is stored is anything else looked up: to all others a known name looks like an unknown one (C91).
# All bindings of the AOR come, for the answer lists them. xmin: which version of the domain's row this is. Each LIMIT
# keeps the planner on the one way that is right however few rows the statistics know of: from the key on, by keys. One
# row of JSON costs half of many columns, and comes in one piece.
READ: Final = """
SELECT to_json(statement_timestamp()) #>> '{}', json_agg(json_build_array(
    r.n, b.renewal_key = r.key, d.version, c.id, c.ha1, p.id, p.min_expires_s, p.max_expires_s, u.nc,
    b.binding_id, b.binding_key, b.contact, b.q, b.instance_id, b.reg_id, b.pub_gruu, b.temp_gruu, b.cseq,
    extract(epoch FROM b.registered_at)::float8, extract(epoch FROM statement_timestamp() - b.refreshed_at)::float8,
    extract(epoch FROM b.expires_at - statement_timestamp())::float8, b.renewal_gap_s, b.renewal_dev_s,
    extract(epoch FROM b.late_at - statement_timestamp())::float8))::text
FROM json_to_recordset(%(rows)s) AS r(
    n integer, aor text, key bytea, source inet, domain_id uuid, username text, user_part text, nonce text,
    algorithm text)
CROSS JOIN LATERAL (
    SELECT peer_id FROM registrar_binding WHERE aor = r.aor AND renewal_key = r.key LIMIT 1) AS m
CROSS JOIN LATERAL (
    SELECT xmin::text AS version FROM extensions_domain WHERE id = r.domain_id LIMIT 1) AS d
CROSS JOIN LATERAL (
    SELECT id, name, extension_id, min_expires_s, max_expires_s FROM extensions_peer
    WHERE id = m.peer_id AND enabled LIMIT 1) AS p
CROSS JOIN LATERAL (
    SELECT id, CASE r.algorithm WHEN 'MD5' THEN ha1_md5 WHEN 'SHA-256' THEN ha1_sha256 ELSE ha1_sha512_256 END AS ha1
    FROM extensions_credential
    WHERE domain_id = r.domain_id AND username = r.username AND peer_id = m.peer_id AND valid_until IS NULL
    LIMIT 1) AS c
LEFT JOIN LATERAL (SELECT number, enabled FROM extensions_extension WHERE id = p.extension_id LIMIT 1) AS e ON true
LEFT JOIN LATERAL (SELECT nc FROM registrar_nonceuse WHERE nonce = r.nonce LIMIT 1) AS u ON true
JOIN registrar_binding b ON b.aor = r.aor
WHERE coalesce(e.enabled, true) AND (r.user_part = p.name OR r.user_part = e.number)
  AND NOT EXISTS (SELECT FROM extensions_blockedsource s WHERE s.network >>= r.source)
"""

# The AOR's lock like everybody; under it only a binding that is still as it was read is renewed. A nonce count that was
# taken meanwhile, by another AOR of the same phone, is null, which no row may have: then nothing of all this is written
# (C92). Rows must come in the order of their lock keys.
RENEW: Final = """
WITH r AS MATERIALIZED (
    SELECT x.*, pg_advisory_xact_lock(x.lock_key) FROM json_to_recordset(%(rows)s) AS x(
        n integer, lock_key bigint, aor text, binding_id uuid, key bytea, was_cseq bigint, cseq bigint,
        granted_s integer, gap_s double precision, dev_s double precision, late_s double precision,
        temp_gruu text, nonce text, nc bigint, repeat_key bytea, request_key bytea, answer text,
        nonce_expires_at_s bigint)
), renewed AS (
    UPDATE registrar_binding AS b SET
        cseq = r.cseq, refreshed_at = %(now)s::timestamptz,
        expires_at = %(now)s::timestamptz + r.granted_s * interval '1 second',
        due_at = least(b.due_at, %(now)s::timestamptz + r.granted_s * interval '1 second'),
        refresh_count = b.refresh_count + 1, renewal_gap_s = r.gap_s, renewal_dev_s = r.dev_s,
        late_at = %(now)s::timestamptz + r.late_s * interval '1 second',
        temp_gruu = coalesce(r.temp_gruu, b.temp_gruu)
    FROM r
    WHERE b.aor = r.aor AND b.binding_id = r.binding_id AND b.cseq = r.was_cseq AND b.renewal_key = r.key
    RETURNING r.n
), used AS (
    INSERT INTO registrar_nonceuse AS u (nonce, nc, repeat_key, request_key, answer, accepted_at, expires_at)
    SELECT r.nonce, r.nc, r.repeat_key, r.request_key, r.answer, %(now)s::timestamptz,
        to_timestamp(r.nonce_expires_at_s)
    FROM r JOIN renewed USING (n) ORDER BY r.nonce
    ON CONFLICT (nonce) DO UPDATE SET
        nc = CASE WHEN u.nc < excluded.nc THEN excluded.nc END,
        repeat_key = excluded.repeat_key, request_key = excluded.request_key,
        answer = excluded.answer, accepted_at = excluded.accepted_at
    RETURNING u.nonce
)
SELECT coalesce(array_agg(nonce), '{}') FROM used
"""
