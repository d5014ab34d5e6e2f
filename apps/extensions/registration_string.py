"""The registration string: what a phone or trunk needs to log in, in the forms people paste.

Holds the clear password, so it must never be stored or logged; it is shown once.
"""

from dataclasses import dataclass

from django.conf import settings

from apps.sip.uri import aor_of


@dataclass(frozen=True, slots=True)
class RegistrationString:
    """server is what phones send to (host), domain the host part of their address; they differ behind a proxy."""

    username: str
    password: str
    address_user: str
    domain: str
    server: str
    port: int
    transport: str = "UDP"

    @property
    def line(self) -> str:
        """`username:password@server:port`, the classic register line of a PBX."""
        return f"{self.username}:{self.password}@{self.server}:{self.port}"

    @property
    def sip_uri(self) -> str:
        return aor_of(self.address_user, self.domain)

    @property
    def qr_text(self) -> str:
        """What the QR code holds: a SIP URI that softphones read, with what it leaves out as parameters."""
        return f"sip:{self.username}:{self.password}@{self.domain};server={self.server}:{self.port};transport=udp"

    def as_dict(self) -> dict[str, str | int]:
        return {
            "username": self.username,
            "password": self.password,
            "server": self.server,
            "port": self.port,
            "transport": self.transport,
            "domain": self.domain,
            "sip_uri": self.sip_uri,
            "registration_string": self.line,
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
