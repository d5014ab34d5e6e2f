"""One line of JSON per decision, so that nothing in it can forge another line; bounded, and never a secret.

What happens at every renewal of every phone is told at DEBUG: a log that holds it fills a disk. A batch is told at
once, for a record of its own for each decision costs as much as its look-up. Must not decide.
"""

import json
import logging
from copy import copy
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import Address
from apps.registrar.outcomes import Outcome
from apps.sip.message import Request, parse_request
from apps.sipserver.events import Origin, transport_of

logger = logging.getLogger(__name__)

LONGEST_LOGGED: Final = 120
# A first challenge is no decision yet, and a repeat was decided before.
UNEVENTFUL: Final = frozenset({outcomes.CHALLENGE, outcomes.REPEAT})

# A string in JSON, with nothing in it that could end a line.
_text: Final = json.encoder.encode_basestring_ascii
# Since the last batch that ended, by level.
_untold: Final[dict[int, list[str]]] = {logging.DEBUG: [], logging.INFO: []}


def log_unread(data: bytes, origin: Address | Origin, outcome: Outcome) -> None:
    """Of what was not read in full: routine, of which only DEBUG is told."""
    if logger.isEnabledFor(logging.DEBUG):
        request = parse_request(data)
        if isinstance(request, Request):
            log_decision(request, origin[:2], transport_of(origin), outcome, is_routine=True)


def log_decision(
    request: Request, source: Address, transport: str, outcome: Outcome, *, is_routine: bool = False
) -> None:
    """To be told with its batch. `is_routine`: nothing of it goes into the ledger (a refresh, a query)."""
    quiet = outcome in UNEVENTFUL or (is_routine and outcome is outcomes.OK)
    level = logging.DEBUG if quiet else logging.INFO
    if not logger.isEnabledFor(level):
        return
    _untold[level].append(
        f'{{"method": {_text(request.method[:LONGEST_LOGGED])}, "outcome": {_text(outcome.code)}, '
        f'"status": {outcome.status}, "to": {_text(request.to.uri_text[:LONGEST_LOGGED])}, '
        f'"source": {_text(f"{source[0]}:{source[1]}")}, "transport": {_text(transport)}, '
        f'"call_id": {_text(request.call_id[:LONGEST_LOGGED])}, "cseq": {request.cseq}}}'
    )


def tell_decisions() -> None:
    """Logs what waits: a record of each level, with all its lines."""
    for level, lines in _untold.items():
        if lines:
            told = Lines("\n".join(lines))
            lines.clear()
            logger.log(level, told)


class Lines(str):
    """Many lines of a log, each to stand for itself."""

    __slots__ = ()


class LineFormatter(logging.Formatter):
    """As the usual one, with what begins a line before each of several."""

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, Lines):
            return super().format(record)
        first, *others = record.msg.split("\n")
        one = copy(record)
        one.msg = first
        told = super().format(one)
        head = told.removesuffix(first)
        return "\n".join((told, *[head + line for line in others]))
