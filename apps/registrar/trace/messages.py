"""A traced message as a value, and how long one may be. Pure."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_BYTES: Final = 4096
MOST_MESSAGES: Final = 200


class Direction(StrEnum):
    """As the registrar sees it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Message:
    """`data` is masked and at most MOST_BYTES long, `size` what came or went; addresses as "203.0.113.7:5062"."""

    at: dt.datetime
    direction: Direction
    source: str
    destination: str
    transport: str
    data: bytes
    size: int
    number: int = 0

    @property
    def is_whole(self) -> bool:
        return self.size <= MOST_BYTES
