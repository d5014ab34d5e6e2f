"""Whether a packet comes from a network that gets no answer. Pure.

However many networks there are, an address costs one look-up per length of prefix in use.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network


@dataclass(frozen=True, slots=True)
class BlockedNetworks:
    """By IP version and bits behind the prefix: the prefixes."""

    prefixes: Mapping[tuple[int, int], frozenset[int]]

    def cover(self, host: str) -> bool:
        """`host` is numeric, as the socket gives it; an IPv6 zone does not count."""
        if not self.prefixes:
            return False
        address = ip_address(host.partition("%")[0])
        return any(
            version == address.version and int(address) >> bits in prefixes
            for (version, bits), prefixes in self.prefixes.items()
        )


@lru_cache(maxsize=2)  # each batch reads the text; it is hardly ever another one
def blocked_networks(text: str) -> BlockedNetworks:
    """Those of `text`, separated by spaces."""
    prefixes: dict[tuple[int, int], set[int]] = defaultdict(set)
    for word in text.split():
        network = ip_network(word)
        bits = network.max_prefixlen - network.prefixlen
        prefixes[network.version, bits].add(int(network.network_address) >> bits)
    return BlockedNetworks({key: frozenset(found) for key, found in prefixes.items()})
