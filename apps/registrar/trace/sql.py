"""The statements of the registration trace. Must not execute anything."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from apps.registrar.sql import to_json
from apps.registrar.trace.messages import MOST_MESSAGES, Message

KEPT_FOR: Final = dt.timedelta(days=1)
"""After the end of a trace."""

LOCK_TRACES: Final = "SELECT pg_advisory_xact_lock(hashtextextended('registration traces', 0))"

# One row at least: it also brings the clock.
TRACED: Final = """
WITH domains AS (SELECT array_agg(lower(name)) || array_agg(lower(realm)) AS served FROM extensions_domain)
SELECT clock_timestamp(), (SELECT served FROM domains), traced.*
FROM (VALUES (1)) AS always LEFT JOIN (
    SELECT p.id, ARRAY[lower(d.name), lower(d.realm)] AS places,
           array_remove(ARRAY[p.name::text, coalesce(e.number::text, '')] || array(
               SELECT c.username::text FROM extensions_credential c WHERE c.peer_id = p.id), '') AS names
    FROM registrar_trace t
    JOIN extensions_peer p ON p.id = t.peer_id
    JOIN extensions_domain d ON d.id = p.domain_id
    LEFT JOIN extensions_extension e ON e.id = p.extension_id
    WHERE t.until > statement_timestamp()
) AS traced ON true
"""

# A trace that ended meanwhile takes nothing more; of each the newest stay.
INSERT_MESSAGES: Final = """
WITH added AS (
    INSERT INTO registrar_tracedmessage (peer_id, at, direction, source, destination, transport, data, size)
    SELECT r.peer_id, r.at, r.direction, r.source, r.destination, r.transport, decode(r.data, 'hex'), r.size
    FROM json_to_recordset(%(rows)s) AS r(
        peer_id uuid, at timestamptz, direction text, source text, destination text, transport text, data text,
        size integer)
    JOIN registrar_trace t ON t.peer_id = r.peer_id AND t.until > statement_timestamp()
    RETURNING peer_id
), kept AS (
    SELECT a.peer_id, greatest(0, %(most)s - count(*)) AS older FROM added a GROUP BY a.peer_id
)
DELETE FROM registrar_tracedmessage m USING kept k
WHERE m.peer_id = k.peer_id AND m.id NOT IN (
    SELECT o.id FROM registrar_tracedmessage o WHERE o.peer_id = k.peer_id
    ORDER BY o.at DESC, o.id DESC LIMIT k.older)
"""

DELETE_OLD: Final = """
WITH old AS (DELETE FROM registrar_trace WHERE until < statement_timestamp() - %(kept_for)s RETURNING peer_id)
DELETE FROM registrar_tracedmessage m
WHERE m.peer_id IN (SELECT peer_id FROM old)
   OR NOT EXISTS (SELECT FROM registrar_trace t WHERE t.peer_id = m.peer_id)
"""


def message_params(rows: Iterable[tuple[UUID, Message]]) -> dict[str, Any]:
    return {"rows": to_json([_columns(*row) for row in rows]), "most": MOST_MESSAGES}


def _columns(peer_id: UUID, message: Message) -> dict[str, Any]:
    return {
        "peer_id": peer_id,
        "at": message.at,
        "direction": message.direction,
        "source": message.source,
        "destination": message.destination,
        "transport": message.transport,
        "data": message.data.hex(),
        "size": message.size,
    }
