"""The look-up of where calls go, as one statement for however many addresses. Must not execute anything.

Bindings are asked for by their AOR, so that one of their partitions is looked at and not each: an extension's are those
of its number and of its peers' names. For connections that look up by keys alone (registrar.sql.BY_KEYS_ALONE).
"""

from typing import Final

_TARGET_COLUMNS: Final = """
b.aor, b.contact, host(b.received_addr) AS received_addr, b.received_port, b.transport, b.flow, b.local, b.server,
b.path, b.q, extract(epoch FROM b.refreshed_at)::float8 AS refreshed_at, b.binding_id, b.peer_id, o.name AS peer_name,
b.instance_id, b.call_id, (q.state IS NOT DISTINCT FROM 'unreachable') AS is_lost
"""

# Whoever may still register: disabled peers' bindings are over, but for the moment until they are deleted.
_LIVE: Final = """
JOIN extensions_peer o ON o.id = b.peer_id AND o.enabled
LEFT JOIN registrar_probe q ON q.binding_id = b.binding_id
"""

# asked: number, domain, host (the domain as it stands in a URI) and username; one row at least for each, one for each
# of its bindings. An extension owns its address even if a peer has the same name.
ROUTES: Final = f"""
SELECT a.number, d.id AS domain_id, d.call_mode = 'redirect' AS redirects, e.id AS extension_id,
       (p.id IS NOT NULL) AS is_peer, e.enabled AND coalesce(p.enabled, true) AS enabled, t.*
FROM json_to_recordset(%(asked)s) AS a(number integer, domain text, host text, username text)
LEFT JOIN extensions_domain d ON d.name = a.domain
LEFT JOIN extensions_extension own ON own.domain_id = d.id AND own.number = a.username
LEFT JOIN extensions_peer p ON own.id IS NULL AND p.domain_id = d.id AND p.name = a.username AND p.kind = 'device'
LEFT JOIN extensions_extension e ON e.id = coalesce(own.id, p.extension_id)
LEFT JOIN LATERAL (
    SELECT {_TARGET_COLUMNS}
    FROM (
        SELECT e.number AS name
        UNION ALL SELECT p.name WHERE p.name <> e.number
        UNION ALL SELECT each.name FROM extensions_peer each
        WHERE each.extension_id = e.id AND p.id IS NULL AND each.name <> e.number
    ) AS names
    -- "=" would have the planner ask the index over extension_id, in every partition
    JOIN registrar_binding b ON b.aor = 'sip:' || names.name || '@' || a.host
        AND b.extension_id IS NOT DISTINCT FROM e.id AND b.peer_id = coalesce(p.id, b.peer_id)
        AND b.expires_at > statement_timestamp()
    {_LIVE}
) AS t ON e.enabled
"""  # noqa: S608 - our own constants

# dialled: number, host and port; a row for each live binding there, whoever it is. The limit has the planner ask once
# for each address, and never all bindings for their addresses.
DIALLED: Final = f"""
SELECT a.number, {_TARGET_COLUMNS}
FROM json_to_recordset(%(dialled)s) AS a(number integer, host inet, port integer)
JOIN LATERAL (
    SELECT * FROM registrar_binding
    WHERE received_addr = a.host AND received_port = a.port AND expires_at > statement_timestamp() LIMIT 20
) AS b ON true
LEFT JOIN extensions_extension e ON e.id = b.extension_id
{_LIVE}
WHERE coalesce(e.enabled, true)
"""  # noqa: S608 - our own constants

# Both as one row of two lists: rows of two kinds in one statement.
ROUTES_AND_DIALLED: Final = f"""
(SELECT coalesce(json_agg(r), '[]') FROM ({ROUTES}) AS r) AS routes,
(SELECT coalesce(json_agg(r), '[]') FROM ({DIALLED}) AS r) AS dialled
"""  # noqa: S608 - our own constants

LOOK_UP: Final = f"SELECT {ROUTES_AND_DIALLED}"
