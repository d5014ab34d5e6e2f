"""Every SQL statement of the keeper of registrations with carriers, named. Must not execute anything."""

from typing import Final

# One keeper at a time. It must have stopped before another begins: see keeper.py.
LEASE_S: Final = 8.0

TAKE_LEASE: Final = """
INSERT INTO trunks_uplinklease AS l (id, holder, until)
VALUES (1, %(holder)s, clock_timestamp() + make_interval(secs => %(lease_s)s))
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
RETURNING extract(epoch FROM clock_timestamp())::float8
"""

LEAVE_LEASE: Final = "DELETE FROM trunks_uplinklease WHERE holder = %(holder)s"

ACCOUNT: Final = """
r.registrar, r.outbound_proxy, r.username, r.auth_username, r.contact_user, r.expires_s, t.transport,
       r.sealed_password"""

ACCOUNTS: Final = f"""
SELECT r.trunk_id, r.version, {ACCOUNT}
FROM trunks_trunkregistration r JOIN extensions_trunksettings t ON t.peer_id = r.trunk_id
"""  # noqa: S608 - a constant

REGISTRATIONS: Final = f"""
SELECT r.trunk_id, r.version, r.enabled AND p.enabled, {ACCOUNT},
       s.version, s.state, s.reason, s.status, s.phrase, s.server, s.contact, s.failures,
       extract(epoch FROM s.since)::float8, extract(epoch FROM s.registered_until)::float8,
       extract(epoch FROM s.next_attempt_at)::float8
FROM trunks_trunkregistration r
JOIN extensions_peer p ON p.id = r.trunk_id
JOIN extensions_trunksettings t ON t.peer_id = r.trunk_id
LEFT JOIN trunks_trunkregistrationstate s ON s.registration_id = r.trunk_id
"""  # noqa: S608 - a constant

# Which trunks want probes, each how often, and the domain that asks.
PROBED: Final = """
SELECT p.id, p.qualify_interval_s, d.name FROM extensions_peer p JOIN extensions_domain d ON d.id = p.domain_id
WHERE p.kind = 'trunk' AND p.enabled AND p.qualify
"""

# Of what somebody changed meanwhile nothing is written: its keeper begins anew.
WRITE_STATES: Final = """
INSERT INTO trunks_trunkregistrationstate AS s (
    registration_id, version, state, reason, status, phrase, server, contact, failures, since, registered_until,
    next_attempt_at)
SELECT r.trunk_id, n.version, n.state, n.reason, n.status, n.phrase, n.server, n.contact, n.failures,
       to_timestamp(n.since), to_timestamp(n.registered_until), to_timestamp(n.next_attempt_at)
FROM json_to_recordset(%(rows)s) AS n(
    trunk_id uuid, version bigint, state text, reason text, status smallint, phrase text, server text, contact text,
    failures integer, since float8, registered_until float8, next_attempt_at float8)
JOIN trunks_trunkregistration r ON r.trunk_id = n.trunk_id AND r.version = n.version
ORDER BY r.trunk_id
ON CONFLICT (registration_id) DO UPDATE SET
    version = excluded.version, state = excluded.state, reason = excluded.reason, status = excluded.status,
    phrase = excluded.phrase, server = excluded.server, contact = excluded.contact, failures = excluded.failures,
    since = excluded.since, registered_until = excluded.registered_until, next_attempt_at = excluded.next_attempt_at
"""

PROBES: Final = """
SELECT id, trunk_id, host(host), port, state, extract(epoch FROM since)::float8,
       extract(epoch FROM answered_at)::float8, status, rtt_ms, rtt_avg_ms, lost
FROM trunks_trunkprobe
"""

WRITE_PROBES: Final = """
INSERT INTO trunks_trunkprobe AS p (
    id, trunk_id, host, port, state, since, answered_at, status, rtt_ms, rtt_avg_ms, lost)
SELECT n.id, n.trunk_id, n.host, n.port, n.state, to_timestamp(n.since), to_timestamp(n.answered_at), n.status,
       n.rtt_ms, n.rtt_avg_ms, n.lost
FROM json_to_recordset(%(rows)s) AS n(
    id uuid, trunk_id uuid, host inet, port integer, state text, since float8, answered_at float8, status smallint,
    rtt_ms float8, rtt_avg_ms float8, lost integer)
WHERE EXISTS (SELECT FROM extensions_peer e WHERE e.id = n.trunk_id)
ORDER BY n.trunk_id, n.host, n.port
ON CONFLICT (trunk_id, host, port) DO UPDATE SET
    id = excluded.id, state = excluded.state, since = excluded.since, answered_at = excluded.answered_at,
    status = excluded.status, rtt_ms = excluded.rtt_ms, rtt_avg_ms = excluded.rtt_avg_ms, lost = excluded.lost
"""

FORGET_PROBES: Final = "DELETE FROM trunks_trunkprobe WHERE NOT id = ANY(%(ids)s)"
