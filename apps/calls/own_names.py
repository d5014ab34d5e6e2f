"""What the proxy is called, from where its sockets are bound and which domains are served (names.py). Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from apps.calls.tokens import HOME_BYTES
from apps.sip.uri import format_host
from apps.sipserver.addresses import WILDCARDS, local_host
from apps.sipserver.events import Address, Origin, transport_of

# Where browser phones come in, behind the web server or its proxy: they name no port in a Route.
_WEB_PORTS: Final = frozenset({80, 443})


class OwnNames:
    """server: what the UDP socket is bound to. public_host: what phones reach us by, if that is all addresses of the
    machine. tls_port: None where there is no TLS. others: further host names of ours. home: as of Names."""

    def __init__(
        self,
        server: Address,
        public_host: str,
        tls_port: int | None,
        others: Iterable[str] = (),
        home: bytes = bytes(HOME_BYTES),
    ) -> None:
        self.home = home
        host, self._port = server
        self._is_wildcard = host in WILDCARDS
        self._host = (public_host or host) if self._is_wildcard else host
        self._tls_port = tls_port
        self._hosts = {each.lower() for each in (host, public_host, *others) if each}
        self._ports = {self._port, *_WEB_PORTS} | ({tls_port} if tls_port else set())
        self._domains: Mapping[str, str] = {}

    def serve(self, realms: Mapping[str, str]) -> None:
        """The realm of each domain, by its name."""
        self._domains = {name.lower(): realm for name, realm in realms.items()}

    def sent_by(self, towards: Address | Origin) -> str:
        port = self._port
        if transport_of(towards) == "TLS" and self._tls_port:
            port = self._tls_port
        return f"{format_host(self._host_towards(towards))}:{port}"

    def is_ours(self, host: str, port: int) -> bool:
        return port in self._ports and (host in self._hosts or host in self._domains)

    def is_our_realm(self, realm: str) -> bool:
        return realm in self._domains.values()

    def _host_towards(self, towards: Address | Origin) -> str:
        """Whoever cannot reach our public address, being of the other IP version, is told the one it asked."""
        if not self._is_wildcard or not isinstance(towards, Origin) or towards.local is None:
            return self._host
        if _version(self._host) in (None, _version(towards.host)):
            return self._host
        return local_host(towards.local)


def _version(host: str) -> int | None:
    """None for a host name."""
    try:
        return ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
