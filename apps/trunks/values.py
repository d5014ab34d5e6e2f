"""A trunk as calls need it. Pure: no I/O, no clock."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from apps.sipserver.events import Address, Origin
from apps.trunks.uplink.values import Account


class CallMode(StrEnum):
    """How a call leaves here: the caller is sent to the phones (302), or the call is relayed to them."""

    REDIRECT = "redirect"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Trunk:
    """An enabled trunk.

    call_mode: for the calls it brings. servers: where calls to it go, numeric, in the order they are tried; empty: it
    takes none; an Origin for those that are spoken to over TCP or TLS. account: what their challenges are answered
    with. host: the name its servers were given by, empty where they were given by address.
    """

    peer_id: UUID
    name: str
    domain: str
    call_mode: CallMode
    servers: tuple[Address | Origin, ...] = ()
    account: Account | None = None
    host: str = ""


class Carriers(Protocol):
    """All trunks, as last read."""

    def trunk_at(self, host: str, port: int, transport: str) -> Trunk | None:
        """Whose packet this is, by its source alone; None for nobody's."""

    def extension_for(self, trunk: Trunk, number: str) -> str | None:
        """The user part in the trunk's domain that a number it calls means; None if it leads nowhere."""

    def ways_out(self, domain: str, number: str) -> tuple[tuple[Trunk, str], ...]:
        """The trunks of that domain that take what was dialled, each with the number as it wants it, in order."""
