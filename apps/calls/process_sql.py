"""What the call process says of itself, as SQL. Must not execute anything."""

from typing import Final

BEAT: Final = """
INSERT INTO calls_callprocess (id, bind, started_at, seen_at, calls, answered, ringing)
VALUES (%(id)s, %(bind)s, clock_timestamp(), clock_timestamp(), %(calls)s, %(answered)s, %(ringing)s)
ON CONFLICT (id) DO UPDATE SET
    seen_at = clock_timestamp(), calls = excluded.calls, answered = excluded.answered, ringing = excluded.ringing
"""

SIGN_OFF: Final = "DELETE FROM calls_callprocess WHERE id = %(id)s"

# Others that died without signing off.
TIDY: Final = "DELETE FROM calls_callprocess WHERE seen_at < statement_timestamp() - interval '1 hour'"
