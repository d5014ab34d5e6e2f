"""Every statement of apps.trunks outside the uplink."""

from typing import Final

READ_AT_ONE_MOMENT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# The second is how many names led nowhere for so long that they count no more: that is no change of a row.
VERSION: Final = """
SELECT (SELECT version FROM extensions_trunkversion WHERE id = 1),
    (SELECT count(*) FROM extensions_resolvedname WHERE resolved_at < now() - %(good_for)s)
"""

TRUNKS: Final = """
SELECT p.id, p.name, d.name, p.enabled, s.call_mode, s.server, s.transport, s.inbound_strip, s.inbound_add,
    s.outbound_prefixes, s.outbound_strip, s.outbound_add, s.priority
FROM extensions_peer p
JOIN extensions_domain d ON d.id = p.domain_id
JOIN extensions_trunksettings s ON s.peer_id = p.id
WHERE p.kind = 'trunk'
ORDER BY p.name, p.id
"""

# What is trusted: peer, host bits of the network, port, transport.
TRUSTED: Final = """
SELECT peer_id, network::text, port, transport FROM extensions_trustedaddress
UNION ALL
SELECT h.peer_id, host(address), h.port, h.transport
FROM extensions_trustedhost h
JOIN extensions_resolvedname r ON r.name = h.name AND r.resolved_at >= now() - %(good_for)s
CROSS JOIN unnest(r.addresses) AS address
"""

NUMBERS: Final = """
SELECT n.peer_id, n.number, e.number FROM extensions_trunknumber n JOIN extensions_extension e ON e.id = n.extension_id
"""

RESOLVED: Final = """
SELECT name, ARRAY(SELECT host(address) FROM unnest(addresses) AS address)
FROM extensions_resolvedname WHERE resolved_at >= now() - %(good_for)s
"""

BLOCKED: Final = "SELECT string_agg(network::text, ' ') FROM extensions_blockedsource"

# Only for trunks that are still there; another process may have heard it later.
REMEMBER_HEARD: Final = """
INSERT INTO extensions_trunksighting AS s (peer_id, at, received_addr, received_port, transport, method)
SELECT r.* FROM json_to_recordset(%(rows)s) AS r(
    peer_id uuid, at timestamptz, received_addr inet, received_port integer, transport text, method text)
JOIN extensions_peer p ON p.id = r.peer_id
ORDER BY r.peer_id
ON CONFLICT (peer_id) DO UPDATE SET
    at = excluded.at, received_addr = excluded.received_addr, received_port = excluded.received_port,
    transport = excluded.transport, method = excluded.method
WHERE s.at < excluded.at
"""

FORGET_REFUSED_OUT: Final = """
DELETE FROM trunks_trunkcallsrefused WHERE trunk_id = ANY(%(trunk_ids)s) RETURNING trunk_id
"""

ADD_REFUSED_OUT: Final = """
INSERT INTO trunks_trunkcallsrefused AS c (trunk_id, since, last_at, count, status, phrase, proven)
SELECT r.* FROM json_to_recordset(%(rows)s) AS r(
    trunk_id uuid, since timestamptz, last_at timestamptz, count integer, status integer, phrase text, proven boolean)
JOIN extensions_peer p ON p.id = r.trunk_id
ORDER BY r.trunk_id
ON CONFLICT (trunk_id) DO UPDATE SET
    count = c.count + excluded.count, last_at = excluded.last_at, status = excluded.status, phrase = excluded.phrase,
    proven = excluded.proven
"""

HOSTS_OF_PHONES: Final = """
SELECT DISTINCT host(received_addr) FROM registrar_binding
WHERE received_addr = ANY(%(hosts)s::inet[]) AND expires_at > now()
"""

FORGET_NAMES: Final = "DELETE FROM extensions_resolvedname WHERE NOT name = ANY(%(names)s)"

WRITTEN_NAMES: Final = """
SELECT h.name, '' FROM extensions_trustedhost h UNION SELECT '', s.server FROM extensions_trunksettings s
"""

# Of all processes one asks for a name; should it die, another does when the name is due again.
CLAIM_NAMES: Final = """
INSERT INTO extensions_resolvedname AS r (name, addresses, tried_at, problem)
SELECT w.name, '{}', now(), '' FROM unnest(%(names)s::text[]) AS w(name)
LEFT JOIN extensions_resolvedname k ON k.name = w.name
WHERE k.name IS NULL OR k.tried_at <= now() - %(every)s
ORDER BY w.name LIMIT %(most)s
ON CONFLICT (name) DO UPDATE SET tried_at = excluded.tried_at WHERE r.tried_at <= excluded.tried_at - %(every)s
RETURNING name
"""

# The last good answer stays where the new one is none.
REMEMBER_RESOLVED: Final = """
UPDATE extensions_resolvedname r SET
    addresses = CASE WHEN a.problem = ''
        THEN ARRAY(SELECT jsonb_array_elements_text(a.addresses)::inet) ELSE r.addresses END,
    resolved_at = CASE WHEN a.problem = '' THEN now() ELSE r.resolved_at END, problem = a.problem
FROM jsonb_to_recordset(%(rows)s) AS a(name text, addresses jsonb, problem text)
WHERE r.name = a.name
"""

# Of each network the names of a few SIP peers that are registered from there. Its bounds, and not <<=, for an index.
PHONES_AT: Final = """
SELECT n.network::text, p.name
FROM unnest(%(networks)s::cidr[]) AS n(network)
CROSS JOIN LATERAL (
    SELECT DISTINCT near.peer_id FROM (
        SELECT b.peer_id FROM registrar_binding b
        WHERE b.received_addr >= n.network::inet
          AND b.received_addr
            <= set_masklen(broadcast(n.network::inet), CASE family(n.network) WHEN 4 THEN 32 ELSE 128 END)
          AND b.expires_at > now()
        LIMIT 100) near
) registered
JOIN extensions_peer p ON p.id = registered.peer_id
ORDER BY n.network, p.name
"""

# What enabled trunks trust that overlaps one of the networks, a host name's addresses among it.
TRUSTED_BY_ENABLED: Final = f"""
SELECT t.*, p.name FROM ({TRUSTED}) AS t JOIN extensions_peer p ON p.id = t.peer_id
WHERE p.enabled AND t.network::inet && ANY(%(networks)s::inet[])
"""  # noqa: S608 - a constant

REFUSED_NEAR: Final = """
SELECT reason, host(received_addr), received_port, count, first_at, last_at
FROM registrar_stranger
WHERE reason = ANY(%(reasons)s) AND received_addr <<= ANY(%(networks)s::inet[]) AND last_at > now() - %(since)s
ORDER BY last_at DESC LIMIT %(most)s
"""
