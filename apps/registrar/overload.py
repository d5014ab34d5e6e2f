"""What is said of an overload: 503 to phones that are turned away (RFC 3261 §21.5.4), a line in the log to people.

Must not decide who is turned away: that is admission.py.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from apps.registrar.admission import Admission
from apps.registrar.outcomes import UNAVAILABLE
from apps.registrar.received import Received, read, way_back
from apps.sip.response import build_response
from apps.sipserver.events import Datagram, Load

logger = logging.getLogger(__name__)

TELL_EVERY_S: Final = 5.0


def refusals(
    refused: Iterable[Datagram], retry_after_s: Callable[[], int], is_blocked: Callable[[str], bool]
) -> list[Datagram]:
    """A 503 for each that can be read and may be answered; each phone is given another time to come again. No line in
    the log: there are thousands."""
    answers: list[Datagram] = []
    for data, origin in refused:
        one = None if is_blocked(origin[0]) else read(data, origin)
        if isinstance(one, Received):
            headers = [("Retry-After", str(retry_after_s()))]
            response = build_response(
                one.request, one.source, UNAVAILABLE.status, UNAVAILABLE.phrase, headers
            )
            answers.append((response, way_back(one.request, origin)))
    return answers


class OverloadLog:
    """One line at most for all that was turned away since the last."""

    def __init__(self, admission: Admission, load: Load) -> None:
        self._admission = admission
        self._load = load
        self._told = replace(admission.turned)
        self._dropped = load.dropped

    async def tell(self) -> None:
        turned, told, dropped = self._admission.turned, self._told, self._dropped
        if turned == told:
            return
        self._told, self._dropped = replace(turned), self._load.dropped
        logger.warning(
            "overload: %d known phones were told 503, %d packets got silence, %d were from sources that only ask or "
            "fail, %d were repeats; the system dropped %d; packets wait %.1f s",
            turned.refused - told.refused,
            turned.silenced - told.silenced,
            turned.indebted - told.indebted,
            turned.repeats - told.repeats,
            self._load.dropped - dropped,
            self._load.waited_s,
        )
