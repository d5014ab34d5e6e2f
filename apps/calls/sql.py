"""Who asks and where it goes, as one statement for a batch of requests. Must not execute anything."""

from typing import Final

from apps.routing.sql import ROUTES_AND_DIALLED

# claims: domain_id and username; a row for each credential that is good now (two while a password is changed).
CALLERS: Final = """
SELECT c.domain_id, c.username, c.id, c.ha1_md5, c.ha1_sha256, c.ha1_sha512_256, p.id AS peer_id, p.name AS peer_name,
       e.number, coalesce(e.display_name, '') AS display_name, p.enabled AND coalesce(e.enabled, true) AS enabled,
       p.accepts_no_qop
FROM json_to_recordset(%(claims)s) AS claim(domain_id uuid, username text)
JOIN extensions_credential c ON c.domain_id = claim.domain_id AND c.username = claim.username
    AND (c.valid_until IS NULL OR c.valid_until > statement_timestamp())
JOIN extensions_peer p ON p.id = c.peer_id
LEFT JOIN extensions_extension e ON e.id = p.extension_id
"""

CALLERS_AND_ROUTES: Final = f"""
SELECT (SELECT coalesce(json_agg(c), '[]') FROM ({CALLERS}) AS c) AS callers, {ROUTES_AND_DIALLED}
"""  # noqa: S608 - our own constants
