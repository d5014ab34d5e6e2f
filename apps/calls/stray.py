"""A 2xx to an INVITE that nobody here waits for: it was answered late, or we were started anew in between. Pure.

RFC 6026 §7.3 would drop it, for a stateless proxy sends it where a Via says. Ours goes where its Record-Route proves
that the INVITE came from, and nowhere else.
"""

from apps.calls.tokens import Way, read_token
from apps.sip.backward import Response
from apps.sip.branches import CALLS_MAGIC
from apps.sip.name_addr import parse_addr, parse_name_addr, split_name_addr
from apps.sip.params import FieldError


def way_of_stray(response: Response, key: bytes, home: bytes) -> Way | None:
    """To where the INVITE it answers came from, to the host of that home; None if it is no such answer or nothing
    proves it."""
    if (
        response.method != "INVITE"
        or response.status // 100 != 2
        or not response.branch.startswith(CALLS_MAGIC)
    ):
        return None
    try:
        return _proven_way(response, key, home)
    except FieldError:
        return None


def _proven_way(response: Response, key: bytes, home: bytes) -> Way | None:
    """Raises FieldError."""
    call_id = response.value(b"call-id") or ""
    asked, answered = [parse_name_addr(response.value(name) or "").tag or "" for name in (b"from", b"to")]
    for value in response.values(b"record-route"):
        uri = parse_addr(split_name_addr(value)[0])
        found = None if uri is None else read_token(key, uri.user or "", call_id, answered, asked)
        if found is not None and found.home == home:
            return found
    return None
