"""Two trunks, trusted by their addresses: calls of the one are relayed, those of the other redirected."""

from __future__ import annotations

from typing import Final

import psycopg

RELAYED: Final = "127.0.0.2:0"
REDIRECTED: Final = "127.0.0.3:0"

INSERT_TRUNK: Final = """
WITH made AS (
    INSERT INTO extensions_peer (id, domain_id, kind, name, enabled, max_contacts, when_full, qualify, created_at,
                                 updated_at)
    SELECT gen_random_uuid(), id, 'trunk', %(name)s, true, 1, 'replace', false, now(), now() FROM extensions_domain
    RETURNING id
), settings AS (
    INSERT INTO extensions_trunksettings (peer_id, server, call_mode, inbound_strip, inbound_add,
                                          outbound_prefixes, outbound_strip, outbound_add, priority)
    SELECT id, '', %(mode)s, 0, '', '', 0, '', 100 FROM made
)
INSERT INTO extensions_trustedaddress (id, peer_id, network, transport, created_at)
SELECT gen_random_uuid(), id, %(host)s::cidr, 'any', now() FROM made
"""


def generate(database_url: str) -> None:
    """Where there is one domain, and no trunk yet."""
    with psycopg.connect(database_url) as connection:
        for name, mode, address in (("relayed", "proxy", RELAYED), ("redirected", "redirect", REDIRECTED)):
            host = address.partition(":")[0]
            connection.execute(INSERT_TRUNK, {"name": name, "mode": mode, "host": host})
