"""What we are called in calls: in the Vias and Record-Routes we write, and in those that come back. Pure."""

from typing import Protocol

from apps.sipserver.events import Address, Origin


class Names(Protocol):
    """Whoever hosts the proxy knows its sockets and its domains."""

    @property
    def home(self) -> bytes:
        """HOME_BYTES (tokens.py) of this host, after a restart the same, and another of each host of ours."""

    def sent_by(self, towards: Address | Origin) -> str:
        """Our host:port as it stands in a Via and in a Record-Route sent that way; IPv6 in brackets."""

    def is_ours(self, host: str, port: int) -> bool:
        """Whether a Route with this host (lower case, IPv6 without brackets) and port means us."""

    def is_our_realm(self, realm: str) -> bool:
        """Whether credentials for this realm were meant for us, and go no further."""
