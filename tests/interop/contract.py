"""What a real client is to the runner: something that can be told to register, and says whether it worked."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from apps.sip.uri import format_host

# Short enough that a phone without a refresh button refreshes by itself while we look.
SHORTEST_EXPIRES_S = 2
NO_QUERY = "the client has no query"
IPV6 = ("UDP/IPv6", "TCP/IPv6")
"""Further transports of a client that speaks IPv6."""


class CannotDo(Exception):  # noqa: N818 - says what it is
    """The client has no such thing; the text is the reason for the table."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where phones register. A port is None while the server does not offer that transport.

    phones_at: the address of their own sockets, if it is not the server's.
    """

    host: str
    port: int
    tcp: bool = False
    tls_port: int | None = None
    web_url: str | None = None
    secure_web_url: str | None = None
    ipv6: bool = False
    phones_at: str = ""

    @property
    def bind_host(self) -> str:
        return self.phones_at or self.host

    @property
    def uri_host(self) -> str:
        return format_host(self.host)

    @property
    def address(self) -> str:
        return f"{self.uri_host}:{self.port}"

    @property
    def tls_address(self) -> str:
        return f"{self.uri_host}:{self.tls_port}"

    def address_for(self, transport: str) -> str:
        return self.tls_address if transport == "TLS" else self.address


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str


class Phone(Protocol):
    """True is what the client itself takes for success. Each may raise CannotDo."""

    def register(self) -> bool: ...
    def refresh(self) -> bool: ...
    def query(self) -> bool: ...
    def unregister(self) -> bool: ...


class Client(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def transports(self) -> tuple[str, ...]: ...

    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""

    def version(self) -> str: ...

    def cannot(self, transport: str, algorithm: str) -> str | None:
        """Why this client cannot be tried with that, one of its transports; None if it can."""

    def phone(
        self, server: Server, transport: str, login: Login, folder: Path
    ) -> AbstractContextManager[Phone]:
        """One device with an empty folder of its own; the transport without a family, which the server's host says."""
