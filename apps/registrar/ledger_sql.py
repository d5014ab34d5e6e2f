"""The statements that keep the ledger's months. Must not execute anything: ledger.py does."""

from typing import Final

# One partition a month; what belongs to none lies in the rest.
LEDGER_PARTITIONS: Final = """
SELECT clock_timestamp(), c.relname
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'registrar_registrationevent'::regclass
"""

TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%(key)s)"

# Whoever waits for a lock on the ledger makes every worker wait behind it.
WAIT_BRIEFLY: Final = "SET LOCAL lock_timeout = '250ms'"

# Attached, not made in place: that would wait for all who write. Rows may lie in the rest already.
CREATE_MONTH: Final = (
    "CREATE TABLE {partition} (LIKE registrar_registrationevent INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "WITH moved AS (DELETE FROM registrar_registrationevent_rest WHERE at >= {since} AND at < {until} RETURNING *) "
    "INSERT INTO {partition} SELECT * FROM moved",
    "ALTER TABLE registrar_registrationevent ATTACH PARTITION {partition} FOR VALUES FROM ({since}) TO ({until})",
)

DROP_MONTH: Final = "DROP TABLE {partition}"

DELETE_OLD_REST: Final = "DELETE FROM registrar_registrationevent_rest WHERE at < %(before)s"
