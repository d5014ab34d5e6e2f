"""What a telephone is to the runner: it registers, is told what to do with a call, and says what it sees of it."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tests.interop.contract import Login, Server

SEEN_WITHIN_S = 8.0
PATIENT_S = 60


class Sign(StrEnum):
    """What a telephone says by itself."""

    RUNG = "it is rung"
    RINGING = "the other side rings"
    TALKING = "the call is up"
    ENDED = "the call has ended"


@dataclass(frozen=True, slots=True)
class Heard:
    """words: the reason it gives, as the client spells it. at_s: of the monotonic clock."""

    sign: Sign
    words: str
    at_s: float


class Telephone(Protocol):
    """Told to do something, it returns at once; what came of it is among the signs."""

    @property
    def login(self) -> Login: ...
    def register(self) -> None: ...
    def dial(self, number: str) -> None: ...
    def answer(self) -> None: ...
    def decline(self) -> None: ...
    def hang_up(self) -> None: ...

    def sees(self, *signs: Sign, within_s: float = SEEN_WITHIN_S) -> Heard | None:
        """The first of these to come since the last that was asked for, None if none came in time."""


class Maker(Protocol):
    """A product of somebody else that can be a telephone."""

    @property
    def name(self) -> str: ...

    @property
    def declines_with(self) -> int:
        """The status of its `decline`."""

    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""

    def version(self) -> str: ...

    def telephone(
        self, server: Server, transport: str, login: Login, folder: Path, rings_s: int = PATIENT_S
    ) -> AbstractContextManager[Telephone]:
        """One device with an empty folder and an address of its own. rings_s: then it declines by itself."""


class Signs:
    """The signs of one telephone, read by a thread of their own so that none comes late."""

    def __init__(self, lines: Iterable[str], read: Callable[[str], tuple[Sign, str] | None]) -> None:
        self._heard: queue.Queue[Heard] = queue.Queue()
        threading.Thread(target=self._listen, args=(lines, read), daemon=True).start()

    def first_of(self, signs: tuple[Sign, ...], within_s: float) -> Heard | None:
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                heard = self._heard.get(timeout=left_s)
            except queue.Empty:
                return None
            if heard.sign in signs:
                return heard
        return None

    def _listen(self, lines: Iterable[str], read: Callable[[str], tuple[Sign, str] | None]) -> None:
        for line in lines:
            if found := read(line):
                self._heard.put(Heard(*found, time.monotonic()))
