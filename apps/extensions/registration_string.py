"""The registration string: what a phone or trunk needs to log in, in the forms people paste, for each transport.

Holds the clear password, so it must never be stored or logged; it is shown once.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from django.conf import settings

from apps.sip.uri import aor_of, format_host

Transport = Literal["UDP", "TCP", "TLS", "WS", "WSS"]

# As PBXs write it before a register line; UDP goes without.
_SCHEMES: Final = {"TCP": "tcp://", "TLS": "tls://"}


@dataclass(frozen=True, slots=True)
class RegistrationString:
    """server is what phones send to (host, IPv6 without brackets), domain the host part of their address; they differ
    behind a proxy. url: where a browser phone connects, else empty."""

    username: str
    password: str
    address_user: str
    domain: str
    server: str
    port: int
    transport: Transport = "UDP"
    url: str = ""

    @property
    def host_port(self) -> str:
        return f"{format_host(self.server)}:{self.port}"

    @property
    def line(self) -> str:
        """`username:password@server:port`, the classic register line of a PBX; `tcp://` or `tls://` before it. Empty
        for WebSocket, which no PBX registers over."""
        if self.url:
            return ""
        return f"{_SCHEMES.get(self.transport, '')}{self.username}:{self.password}@{self.host_port}"

    @property
    def sip_uri(self) -> str:
        return aor_of(self.address_user, self.domain)

    @property
    def qr_text(self) -> str:
        """What the QR code holds: a SIP URI that softphones read, with what it leaves out as parameters."""
        server = self.url or self.host_port
        domain, transport = format_host(self.domain), self.transport.lower()
        return f"sip:{self.username}:{self.password}@{domain};server={server};transport={transport}"

    def each_transport(self) -> tuple["RegistrationString", ...]:
        """This one, and the same for every other transport the server listens on."""
        ways = [replace(self, transport="TCP")]
        if settings.SIPS_PORT is not None:
            ways.append(replace(self, transport="TLS", port=settings.SIPS_PORT))
        url = settings.SIP_WEBSOCKET_URL
        ways.append(replace(self, transport="WSS" if url.startswith("wss:") else "WS", url=url))
        return (self, *ways)

    def as_dict(self) -> dict[str, object]:
        return {
            "username": self.username,
            "password": self.password,
            "domain": self.domain,
            "sip_uri": self.sip_uri,
            **self._way(),
            "transports": [way._way() for way in self.each_transport()],
        }

    def _way(self) -> dict[str, object]:
        over_web = bool(self.url)
        return {
            "transport": self.transport,
            "server": None if over_web else self.server,
            "port": None if over_web else self.port,
            "url": self.url or None,
            "registration_string": self.line or None,
        }


def registration_string(
    *, username: str, password: str, address_user: str, domain: str
) -> RegistrationString:
    return RegistrationString(
        username=username,
        password=password,
        address_user=address_user,
        domain=domain,
        server=settings.SIP_PUBLIC_HOST or domain,
        port=settings.SIP_PORT,
    )
