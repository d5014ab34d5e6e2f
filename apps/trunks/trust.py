"""Whose packet is this? By the source address, port and transport of the packet alone, never by what it says. Pure.

Whoever is in no list is nobody's, and so is who is in two that say it equally well.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from uuid import UUID

Network = IPv4Network | IPv6Network

# Behind a WebSocket are browsers, and often a proxy whose address they all have.
TRUSTABLE: Final = frozenset({"UDP", "TCP", "TLS"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a trunk's list. port None: any; transport "" any, else one of TRUSTABLE. enabled: the trunk."""

    network: Network
    peer_id: UUID
    port: int | None = None
    transport: str = ""
    enabled: bool = True

    @property
    def named(self) -> int:
        """How many of port and transport it names."""
        return (self.port is not None) + bool(self.transport)

    def fits(self, port: int, transport: str) -> bool:
        return self.port in (None, port) and self.transport in ("", transport)

    def meets(self, other: "Entry") -> bool:
        """Whether one packet can fit both."""
        return (
            self.network.version == other.network.version
            and self.network.overlaps(other.network)
            and (None in (self.port, other.port) or self.port == other.port)
            and ("" in (self.transport, other.transport) or self.transport == other.transport)
        )

    def ties(self, other: "Entry") -> bool:
        """Whether neither is the more specific, for a packet that fits both."""
        return self.meets(other) and self.network == other.network and self.named == other.named


class TrustTable:
    """One look-up per length of prefix in use, however many entries there are."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        found: dict[tuple[int, int], dict[int, list[Entry]]] = defaultdict(lambda: defaultdict(list))
        for entry in entries:
            network = entry.network
            bits = network.max_prefixlen - network.prefixlen
            found[network.version, bits][int(network.network_address) >> bits].append(entry)
        # The longest prefix first: it has the fewest bits behind it.
        self._by_length = sorted((key, dict(prefixes)) for key, prefixes in found.items())

    def trunk_at(self, host: str, port: int, transport: str) -> UUID | None:
        """Whose packet comes from there, None for nobody's. Of two entries the longer prefix counts, then the one that
        names more of port and transport; what is then equal between two trunks is nobody's."""
        address = source_address(host)
        if address is None or transport not in TRUSTABLE:
            return None
        number = int(address)
        for (version, bits), prefixes in self._by_length:
            if version == address.version and (entries := prefixes.get(number >> bits)):
                fitting = [entry for entry in entries if entry.fits(port, transport)]
                if fitting:
                    return _owner(fitting)
        return None


def source_address(host: str) -> IPv4Address | IPv6Address | None:
    """An IPv4-mapped address as its IPv4 one (C116). None for what is no address, or one on a single link."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _owner(fitting: list[Entry]) -> UUID | None:
    most = max(entry.named for entry in fitting)
    owners = {entry.peer_id for entry in fitting if entry.named == most and entry.enabled}
    return owners.pop() if len(owners) == 1 else None
