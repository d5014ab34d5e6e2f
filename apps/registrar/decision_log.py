"""One line of JSON per decision, so that nothing in it can forge another line; bounded, and never a secret.

What happens at every renewal of every phone is told at DEBUG: a log that holds it fills a disk. Must not decide.
"""

import json
import logging
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import Address
from apps.registrar.outcomes import Outcome
from apps.sip.message import Request, parse_request
from apps.sipserver.events import Origin

logger = logging.getLogger(__name__)

LONGEST_LOGGED: Final = 120
# A first challenge is no decision yet, and a repeat was decided before.
UNEVENTFUL: Final = frozenset({outcomes.CHALLENGE, outcomes.REPEAT})


def log_unread(data: bytes, origin: Address | Origin, outcome: Outcome) -> None:
    """Of what was not read in full: routine, of which only DEBUG is told."""
    if logger.isEnabledFor(logging.DEBUG):
        request = parse_request(data)
        if isinstance(request, Request):
            transport = origin.transport if isinstance(origin, Origin) else "UDP"
            log_decision(request, origin[:2], transport, outcome, is_routine=True)


def log_decision(
    request: Request, source: Address, transport: str, outcome: Outcome, *, is_routine: bool = False
) -> None:
    """`is_routine`: nothing of it goes into the ledger (a refresh, a query)."""
    quiet = outcome in UNEVENTFUL or (is_routine and outcome is outcomes.OK)
    level = logging.DEBUG if quiet else logging.INFO
    if not logger.isEnabledFor(level):
        return
    line = {
        "method": request.method[:LONGEST_LOGGED],
        "outcome": outcome.code,
        "status": outcome.status,
        "to": request.to.uri_text[:LONGEST_LOGGED],
        "source": f"{source[0]}:{source[1]}",
        "transport": transport,
        "call_id": request.call_id[:LONGEST_LOGGED],
        "cseq": request.cseq,
    }
    logger.log(level, json.dumps(line))
