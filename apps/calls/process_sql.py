"""What the call process says of itself, as SQL. Must not execute anything."""

from typing import Final

BEAT: Final = """
INSERT INTO calls_callprocess (id, bind, server, address, workers, started_at, seen_at, calls, answered, ringing)
VALUES (%(id)s, %(bind)s, %(server)s, %(address)s, %(workers)s, clock_timestamp(), clock_timestamp(),
        %(calls)s, %(answered)s, %(ringing)s)
ON CONFLICT (id) DO UPDATE SET
    workers = excluded.workers, seen_at = clock_timestamp(), calls = excluded.calls, answered = excluded.answered,
    ringing = excluded.ringing
"""

SIGN_OFF: Final = "DELETE FROM calls_callprocess WHERE id = %(id)s"

# The other hosts; ours may have a row of a process that is gone. Who missed three beats is gone.
HOSTS: Final = """
SELECT server, address, workers FROM calls_callprocess
WHERE server NOT IN ('', %(server)s) AND address NOT IN ('', %(address)s)
    AND seen_at > statement_timestamp() - interval '6 seconds'
ORDER BY seen_at
"""

# Others that died without signing off.
TIDY: Final = "DELETE FROM calls_callprocess WHERE seen_at < statement_timestamp() - interval '1 hour'"
