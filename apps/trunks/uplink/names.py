"""Where a carrier's server is: names become addresses in a thread, never on the event loop.

A and AAAA records, in the system's order; no SRV or NAPTR records (RFC 3263 §4), for which the system has no call.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, ip_address
from typing import Final

from apps.sipserver.addresses import from_socket_address
from apps.sipserver.events import Address
from apps.trunks.servers import DEFAULT_PORT, Server

WITHIN_S: Final = 10.0

# The server's addresses, and ours as seen from the first of them; our host as far as it is known.
Resolve = Callable[[Server, str], Awaitable[tuple[tuple[Address, ...], str]]]


async def resolve(server: Server, own_host: str) -> tuple[tuple[Address, ...], str]:
    """No addresses if there are none, or nobody says so in time. Those of our own kind alone, if there are any."""
    try:
        async with asyncio.timeout(WITHIN_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                server.host, server.port or DEFAULT_PORT, type=socket.SOCK_DGRAM
            )
    except (OSError, TimeoutError, UnicodeError):
        return (), own_host
    addresses = dict.fromkeys(from_socket_address(family, raw) for family, *_, raw in found)
    alike = [address for address in addresses if _is_v4(address[0]) is _is_v4(own_host)]
    servers = tuple(alike or addresses)
    return servers, own_host or _own_host(servers[0])


def _is_v4(host: str) -> bool:
    """Whether it is an IPv4 address; a name counts as one, for most have one."""
    try:
        return isinstance(ip_address(host.partition("%")[0]), IPv4Address)
    except ValueError:
        return True


def _own_host(server: Address) -> str:
    """Our address on the way there; nothing is sent."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(server)
        except OSError:
            return ""
        return from_socket_address(family, probe.getsockname())[0]
