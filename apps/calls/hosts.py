"""The other SIP hosts of this installation, and which phones they alone can reach. Pure.

A connection is where it was made, and behind most NATs a UDP port hears only the socket it spoke to: what is for such a
phone goes to its host, which sends it on (tokens.py). Must not know how hosts are found.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.routing.answer import Target
from apps.sipserver.events import Address, Origin


@dataclass(frozen=True, slots=True)
class Host:
    """address: of its UDP socket. server: that socket's name (registrar.consumers.socket_name). workers: whose
    connections it holds."""

    address: Address
    server: str
    workers: frozenset[str]


class OtherHosts:
    """server: the name of our own UDP socket."""

    def __init__(self, server: str = "", hosts: Iterable[Host] = ()) -> None:
        self._server = server
        self._by_server: dict[str, Address] = {}
        self._by_worker: dict[str, Address] = {}
        for host in hosts:
            self._by_server[host.server] = host.address
            self._by_worker |= dict.fromkeys(host.workers, host.address)

    def holding(self, target: Target) -> Address | None:
        """Where the host is that alone reaches it; None if we do, or nobody."""
        flow = target.destination.flow
        if flow is not None:
            return self._by_worker.get(flow.rpartition("/")[0])
        return None if target.server == self._server else self._by_server.get(target.server)

    def way_to(self, target: Target) -> tuple[Address | Origin, Origin | None]:
        """Where its packets go, and where they go on from there if that is another host."""
        address = self.holding(target)
        if address is not None:
            return address, target.destination
        if (
            target.server and target.server != self._server
        ):  # its host is gone, and with it this address of ours
            return target.destination._replace(local=None), None
        return target.destination, None
