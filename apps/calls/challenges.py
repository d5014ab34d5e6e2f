"""A carrier's challenge of what goes out through a trunk, answered in the caller's place (RFC 3261 §22.3). Pure.

The answer goes to the hop that asked, which is one of the trunk's own servers, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from apps.calls.values import Hop
from apps.sip.backward import Response
from apps.sip.digest import first_answerable
from apps.sip.lines import line_value
from apps.trunks.uplink.said import credentials_for

# One of the server, one of a proxy before it, and one nonce that was too old.
MOST_CHALLENGES: Final = 3
CHALLENGES: Final = {
    401: (frozenset({b"www-authenticate"}), "Authorization"),
    407: (frozenset({b"proxy-authenticate"}), "Proxy-Authorization"),
}


def answered(
    hop: Hop, response: Response, uri: str, token: Callable[[], str], *, in_dialog: bool
) -> Hop | None:
    """The hop once more, with credentials over that Request-URI (as it was sent); None if this is no challenge, or one
    we cannot answer: without an account, of an unknown kind, or after a right answer.

    What begins something goes as a new request, under the next CSeq number (RFC 3261 §8.1.3.5, §8.2.2.2). Within a
    dialog the number stays: nobody would remember it for the next request, and equal is not out of order (§12.2.2).
    """
    leg = hop.leg
    if leg is None or leg.account is None or response.status not in CHALLENGES:
        return None
    lines, name = CHALLENGES[response.status]
    challenge = first_answerable(map(line_value, response.all_lines(lines)))
    given = dict(leg.credentials)
    if challenge is None or leg.challenges == MOST_CHALLENGES or (name in given and not challenge.stale):
        return None
    try:
        given[name] = credentials_for(leg.account, challenge, response.method, uri, token(), 1)
    except ValueError:  # a Request-URI that cannot be quoted
        return None
    more = replace(
        leg,
        raised=leg.raised if in_dialog else leg.raised + 1,
        credentials=tuple(given.items()),
        challenges=leg.challenges + 1,
    )
    return replace(hop, leg=more)
