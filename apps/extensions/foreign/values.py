"""What was found in another product's tables, and what taking it over would do. Pure. A password is never shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.sip.digest import Algorithm

# A table's rows: column -> text, None for NULL.
Row = Mapping[str, str | None]
Tables = Mapping[str, list[Row]]


class UnreadableSource(ValueError):  # noqa: N818 - it is the source that is at fault
    """It cannot be read as a whole; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A password in the clear, or what is kept of one: its HA1s, over `realm` (None: not told)."""

    password: str | None = field(default=None, repr=False)
    ha1s: Mapping[Algorithm, str] = field(default_factory=dict, repr=False)
    realm: str | None = None

    def __bool__(self) -> bool:
        return bool(self.password or self.ha1s)


@dataclass(frozen=True, slots=True)
class FoundExtension:
    """One user of the other product. domain None: it has none. `problem` is why it cannot be taken over."""

    number: str
    username: str
    secret: Secret
    domain: str | None = None
    display_name: str = ""
    enabled: bool = True
    max_contacts: int | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FoundAddress:
    network: str
    port: int | None = None
    transport: str = "any"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FoundTrunk:
    """A carrier known by its addresses."""

    name: str
    addresses: tuple[FoundAddress, ...]
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    extensions: tuple[FoundExtension, ...] = ()
    trunks: tuple[FoundTrunk, ...] = ()


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    SAME = "same"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the diff."""

    action: Action
    kind: str
    name: str
    domain: str
    reason: str
