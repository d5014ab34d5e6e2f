"""Whom a pressed worker lets in (faults: storms and floods). Pure: the clock and the load are arguments.

Without strain everybody is let in, unseen. Under strain, before anything is parsed: repeats of what is being
answered go; sources that spent their credit go; then ever fewer strangers, and only then ever fewer of those we
know, who are told when to come again. Known is who answers a challenge of ours, or comes from where somebody
registered before. Nothing here grows with the phones.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.registrar.credit import AGAIN, ASKED, FAILURE, SUCCESS, Credit
from apps.registrar.glance import (
    credentials,
    is_refusal,
    is_response,
    is_success,
    source_of,
    wants_in,
    was_challenged,
)
from apps.registrar.recent import Recent
from apps.registrar.strain import Strain
from apps.sipserver.events import Address, Datagram, Load, Origin, flow_of

MOST_KNOWN: Final = 32_768
MOST_TAKEN: Final = 32_768
# Between answers and the next batch, while there is no pause.
SOON_S: Final = 0.05
# Of one batch: enough to know in time where phones are, and next to nothing to do.
LEARNT_IN_CALM: Final = 16
# A 503 costs as much as a sixth of an answer: beyond so many, silence.
REFUSED_PART: Final = 0.5
REFUSED_ALWAYS: Final = 8


@dataclass(slots=True)
class Turned:
    """What was turned away since the worker began, each once.

    refused: with a 503; silenced: strangers, and known phones beyond what 503s may cost; indebted: from sources without
    credit; repeats: of what was being answered.
    """

    refused: int = 0
    silenced: int = 0
    indebted: int = 0
    repeats: int = 0

    @property
    def total(self) -> int:
        return self.refused + self.silenced + self.indebted + self.repeats


@dataclass(slots=True)
class Admitted:
    """The part of a batch to be answered, and the part to be told 503. Under strain `is_chosen`, and `proven` says how
    many of the first were under a nonce of ours, by source."""

    datagrams: list[Datagram]
    refused: list[Datagram] = field(default_factory=list)
    is_chosen: bool = True
    proven: Counter[str] = field(default_factory=Counter)


class Admission:
    """`nonce_key` is that of our challenges."""

    def __init__(self, nonce_key: bytes) -> None:
        self.turned = Turned()
        self.strain = Strain()
        # Two accounts of each source: who forges an address can spend what it may ask, not what its phones may prove.
        self.asking = Credit()
        self.proving = Credit()
        self._nonce_key = nonce_key
        self._known: Recent[str, bool] = Recent(MOST_KNOWN)
        self._taken: Recent[int, float] = Recent(MOST_TAKEN)
        self._turn_s = self._answered_s = 0.0
        self._strangers_due = self._known_due = 0.0
        self._succeeded: set[tuple[str, int]] = set()
        self._succeeded_since_s = 0.0

    def admit(self, datagrams: list[Datagram], load: Load, now_s: float) -> Admitted:
        """Whom to answer, whom to refuse; the rest gets silence. now_s: of a clock that only rises."""
        if not self.strain.feel(load.waited_s, load.filled, load.dropped, now_s):
            return Admitted(datagrams, is_chosen=False)
        admitted = Admitted([])
        arrived_s = self._arrived_s(load.waited_s, now_s)
        for datagram in datagrams:
            # Whoever waits for a response has read it.
            if not is_response(datagram[0]) and not self._is_repeat(datagram, arrived_s):
                self._judge(datagram, admitted, now_s)
        most = REFUSED_ALWAYS + int(len(admitted.datagrams) * REFUSED_PART)
        self.turned.silenced += max(0, len(admitted.refused) - most)
        del admitted.refused[most:]
        self.turned.refused += len(admitted.refused)
        return admitted

    def learn(self, admitted: Admitted, answers: Sequence[Datagram], now_s: float) -> None:
        """What became of them: who registered is known from now on, and who only fails pays for it."""
        self._answered_s = now_s
        if not admitted.is_chosen:
            for answer, destination in answers[:LEARNT_IN_CALM]:
                if is_success(answer):
                    self._known.note(source_of(destination[0]), True)
            return
        for answer, destination in answers:
            source = source_of(destination[0])
            if not is_refusal(answer):
                admitted.proven[source] -= 1
            if is_success(answer):
                self._known.note(source, True)
                worth = self._worth(destination[:2], now_s)
                self.proving.add(source, worth, now_s)
                self.asking.add(source, max(0.0, worth), now_s)
        for source, failed in admitted.proven.items():
            if failed > 0:
                self.proving.add(source, failed * FAILURE, now_s)

    def _arrived_s(self, waited_s: float, now_s: float) -> float:
        """When all of this batch were here. Taken right after the answers to the last one, it came together while those
        were made: a repeat in it knew of none."""
        before_s, self._turn_s = self._turn_s, now_s
        busy = now_s - self._answered_s < SOON_S
        return min(now_s - waited_s, before_s) if busy else now_s - waited_s

    def _is_repeat(self, datagram: Datagram, arrived_s: float) -> bool:
        """Of what was taken up when it was here already: its answer is on its way, and is for both."""
        data, origin = datagram
        taken_s = self._taken.get(hash((data, origin[:2])))
        if taken_s is None or taken_s < arrived_s:
            return False
        self.turned.repeats += 1
        return True

    def _judge(self, datagram: Datagram, admitted: Admitted, now_s: float) -> None:
        data, origin = datagram
        source = source_of(origin[0])
        header = credentials(data) if wants_in(data) else None
        is_proven = header is not None and was_challenged(header, self._nonce_key, origin[0])
        if (self.proving if is_proven else self.asking).balance(source, now_s) <= 0:
            self.turned.indebted += 1
            return
        is_known = is_proven or source in self._known or _has_connection(origin)
        if self._has_place(is_known=is_known):
            self._taken.note(hash((data, origin[:2])), now_s)
            admitted.datagrams.append(datagram)
            if is_proven:
                admitted.proven[source] += 1
            else:
                self.asking.add(source, ASKED, now_s)
        elif is_known and wants_in(data):
            self._taken.note(hash((data, origin[:2])), now_s)
            admitted.refused.append(datagram)
        else:
            self.turned.silenced += 1

    def _has_place(self, *, is_known: bool) -> bool:
        """Every so many: of ten with a part of 0.3 the fourth, the seventh and the tenth."""
        if is_known:
            self._known_due += self.strain.known
            if self._known_due < 1:
                return False
            self._known_due -= 1
            return True
        self._strangers_due += self.strain.strangers
        if self._strangers_due < 1:
            return False
        self._strangers_due -= 1
        return True

    def _worth(self, phone: tuple[str, int], now_s: float) -> float:
        """A phone's first success in a second earns; one that registers on and on pays."""
        if now_s - self._succeeded_since_s >= 1:
            self._succeeded.clear()
            self._succeeded_since_s = now_s
        if phone in self._succeeded:
            return AGAIN
        self._succeeded.add(phone)
        return SUCCESS


def _has_connection(origin: Address | Origin) -> bool:
    """Which cannot be had from a forged address."""
    return flow_of(origin) is not None
