"""One line of JSON for each call that is decided, and how many there were; bounded, and nothing in it can forge a line.

Must not decide. A call is an INVITE that began something: what was asked of it, where it went, how it ended, and when.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apps.calls.proxy import MOST_CALLS
from apps.calls.values import Ask, Forward, Refuse, Send, Verdict
from apps.sip.message import Request
from apps.sip.reply import is_reply, parse_reply
from apps.sipserver.events import transport_of

logger = logging.getLogger(__name__)

LONGEST_LOGGED: Final = 120
_CHALLENGES: Final = frozenset({401, 407})
_INVITE: Final = b"INVITE"


@dataclass(slots=True)
class Counts:
    """Since the process started; they only ever rise. answered: with a 2xx."""

    calls: int = 0
    answered: int = 0


@dataclass(slots=True)
class OpenCall:
    line: dict[str, object]
    began_s: float


class CallLog:
    """asked, decided and sent are told in the order they happen; times in monotonic seconds."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._open: dict[tuple[str, str], OpenCall] = {}

    @property
    def ringing(self) -> int:
        return len(self._open)

    def asked(self, ask: Ask, now_s: float) -> None:
        request = ask.request
        if request.method != "INVITE":
            return
        if len(self._open) >= MOST_CALLS:
            del self._open[next(iter(self._open))]  # nobody waits so long for it
        self._open[_key(request)] = OpenCall(_line(ask), now_s)

    def decided(self, ask: Ask, verdict: Verdict) -> None:
        """How many targets it is sent to; a challenge is no decision yet."""
        call = self._open.get(_key(ask.request))
        if call is None:
            return
        if isinstance(verdict, Forward):
            call.line["targets"] = sum(map(len, verdict.groups))
        elif not isinstance(verdict, Refuse) or verdict.status in _CHALLENGES:
            del self._open[_key(ask.request)]

    def sent(self, sends: Iterable[Send], now_s: float) -> None:
        """The final answers among what goes out end their calls."""
        for send in sends:
            if self._open and is_reply(send.data) and send.data[8:9] > b"1" and _INVITE in send.data:
                self._ended(send.data, now_s)

    def _ended(self, data: bytes, now_s: float) -> None:
        reply = parse_reply(data)
        call_ids, cseqs = (reply.values("call-id"), reply.values("cseq")) if reply else ([], [])
        if reply is None or len(call_ids) != 1 or len(cseqs) != 1 or not cseqs[0].endswith("INVITE"):
            return
        call = self._open.pop((call_ids[0], cseqs[0].split()[0]), None)
        if call is None:
            return
        self.counts.calls += 1
        self.counts.answered += reply.status < 300
        call.line |= {"status": reply.status, "ms": round((now_s - call.began_s) * 1000)}
        logger.info(json.dumps(call.line))


def _key(request: Request) -> tuple[str, str]:
    return request.call_id, str(request.cseq)


def _line(ask: Ask) -> dict[str, object]:
    request, origin = ask.request, ask.origin
    return {
        "method": "INVITE",
        "call_id": request.call_id[:LONGEST_LOGGED],
        "from": request.from_.uri_text[:LONGEST_LOGGED],
        "to": request.to.uri_text[:LONGEST_LOGGED],
        "asked": request.request_uri_text[:LONGEST_LOGGED],
        "source": f"{origin[0]}:{origin[1]}",
        "transport": transport_of(origin),
        "targets": 0,
    }
