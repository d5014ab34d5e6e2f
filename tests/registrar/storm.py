"""A worker and its phones in virtual time: what arrives waits in a buffer, each batch takes its time, and phones repeat
themselves as RFC 3261 §17.1.2 says. The admission is the real one; what an answer costs is made up."""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

from apps.registrar.admission import Admission
from apps.registrar.glance import credentials
from apps.sip.nonce import make_nonce
from apps.sipserver.events import Datagram, Load

NONCE_KEY: Final = b"k" * 32
SENT_AFTER_S: Final = (0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0)
GIVEN_UP_S: Final = 32.0
MAX_BATCH: Final = 256
MANY: Final = 16

READ_S: Final = 30e-6
LOOK_S: Final = 30e-6
REFUSE_S: Final = 200e-6
# 1,000 requests a second, so that a storm need not be large.
ANSWER_S: Final = 1e-3

Address = tuple[str, int]
_serial = count(1)


def register(number: int, source: Address, *, nonce: str | None = None) -> bytes:
    """A REGISTER as a glance sees it; each is another one."""
    serial = next(_serial)
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        f"Via: SIP/2.0/UDP {source[0]}:{source[1]};rport;branch=z9hG4bK{serial}",
        f"From: <sip:{number}@example.com>;tag=f",
        f"To: <sip:{number}@example.com>",
        f"Call-ID: {number}@phone",
        f"CSeq: {serial} REGISTER",
        f"Contact: <sip:{number}@{source[0]}:{source[1]}>",
    ]
    if nonce is not None:
        digest = f'username="{number}", realm="example.com", nonce="{nonce}", response="{serial}"'
        lines.append(f"Authorization: Digest {digest}")
    return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()


def nonce_for(host: str) -> str:
    return make_nonce(NONCE_KEY, 1_790_000_000, b"s" * 8, host, "example.com")


def answer(status: int, request: bytes) -> bytes:
    head, _, _ = request[request.index(b"CSeq: ") :].partition(b"\r\n")
    return b"SIP/2.0 %d X\r\n%b\r\n\r\n" % (status, head)


@dataclass
class Phone:
    """Registers once (initial: after a challenge); told 503 it comes again in 5 to 30 s, unheard it tries for 32 s."""

    number: int
    source: Address
    initial: bool = True
    right: bool = True
    done_s: float | None = None
    refused: int = 0
    sendings: int = 0
    data: bytes = b""
    tries: int = 0

    def begin(self, *, challenged: bool) -> bytes:
        nonce = nonce_for(self.source[0]) if challenged else None
        self.data, self.tries = register(self.number, self.source, nonce=nonce), 0
        return self.data


@dataclass
class Storm:
    """`admission` None: everybody is let in, in order. Floods send on and on and hear nothing."""

    admission: Admission | None = field(default_factory=lambda: Admission(NONCE_KEY))
    buffer: int = 1200
    seed: int = 1
    now_s: float = 100.0
    queue: deque[tuple[float, Datagram]] = field(default_factory=deque)
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    phones: dict[Address, Phone] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    load: Load = field(default_factory=Load)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)

    def at(self, at_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (at_s, next(_serial), do))

    def start(self, phone: Phone, at_s: float) -> None:
        self.phones[phone.source] = phone
        self.at(at_s, lambda: self._begin(phone, challenged=not phone.initial))

    def flood(self, per_s: float, until_s: float, packet: Callable[[], Datagram]) -> None:
        def send() -> None:
            self.arrive(packet())
            if self.now_s < until_s:
                self.at(max(self.now_s, due[0] + 1 / per_s), send)
            due[0] += 1 / per_s

        due = [self.now_s]
        self.at(self.now_s, send)

    def arrive(self, datagram: Datagram) -> None:
        if len(self.queue) < self.buffer:
            self.queue.append((self.now_s, datagram))
        else:
            self.load.dropped += 1

    def run(self, until_s: float) -> None:
        while self.now_s < until_s:
            self._happen(self.now_s)
            if self.queue:
                self._serve()
            elif self.agenda:
                self.now_s = max(self.now_s, self.agenda[0][0])
            else:
                return

    def _happen(self, until_s: float) -> None:
        """What others did while the worker was busy, each at its own time."""
        after_s = self.now_s
        while self.agenda and self.agenda[0][0] <= until_s:
            self.now_s, _, do = heapq.heappop(self.agenda)
            do()
        self.now_s = after_s

    def _serve(self) -> None:
        begun_s = self.now_s
        read = [self.queue.popleft() for _ in range(min(MAX_BATCH, len(self.queue)))]
        self.load.waited_s = begun_s - read[-1][0] if len(read) >= MANY else 0.0
        self.load.filled = len(self.queue) / self.buffer if len(read) >= MANY else 0.0
        self.waits_s.append(begun_s - read[0][0])
        batch = [datagram for _, datagram in read]
        self.now_s += READ_S * len(batch)
        if self.admission is None:
            admitted, refused = batch, []
        else:
            let_in = self.admission.admit(batch, self.load, begun_s)
            admitted, refused = list(let_in.datagrams), let_in.refused
            self.now_s += LOOK_S * len(batch) + REFUSE_S * len(refused)
        self.now_s += ANSWER_S * len(admitted)
        answers = [(self._answer(one), one[1]) for one in admitted]
        if self.admission is not None:
            self.admission.learn(let_in, answers, self.now_s)
        for data, source in [*answers, *((answer(503, data), source) for data, source in refused)]:
            self.at(self.now_s, lambda data=data, source=source: self._hear(data, source))  # type: ignore[misc]

    def _answer(self, datagram: Datagram) -> bytes:
        data, source = datagram
        self.did["answered"] += 1
        phone = self.phones.get(source[:2])
        if credentials(data) is None or phone is None or not phone.right:
            return answer(401, data)
        return answer(200, data)

    def _begin(self, phone: Phone, *, challenged: bool) -> None:
        self._send(phone, phone.begin(challenged=challenged))

    def _send(self, phone: Phone, data: bytes) -> None:
        if phone.data is not data:
            return
        phone.sendings += 1
        self.arrive((data, phone.source))
        if phone.tries < len(SENT_AFTER_S):
            self.at(self.now_s + SENT_AFTER_S[phone.tries], lambda: self._send(phone, data))
            phone.tries += 1
        else:
            again_s = self.now_s + self.chance.uniform(1, 30)
            self.at(again_s, lambda: self._try_again(phone, data))

    def _try_again(self, phone: Phone, data: bytes) -> None:
        if phone.data is data:
            self._begin(phone, challenged=not phone.initial)

    def _hear(self, data: bytes, source: tuple[str, int]) -> None:
        phone = self.phones.get(source)
        if phone is None or not phone.data or data.split(b"\r\n")[1] not in phone.data:
            return  # an answer to what it asked before
        if data[8:11] == b"503":
            phone.refused += 1
            phone.data = b""
            self.at(
                self.now_s + self.chance.randint(5, 30),
                lambda: self._begin(phone, challenged=not phone.initial),
            )
        elif data[8:11] == b"200":
            phone.done_s, phone.data = self.now_s, b""
            self.did["registered"] += 1
        elif credentials(phone.data) is None:
            self._begin(phone, challenged=True)
        else:
            phone.data = b""
            self.did["failed"] += 1
