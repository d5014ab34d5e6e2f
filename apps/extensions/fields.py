"""Columns Django has no field for."""

import ipaddress
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> Network:
    """The network `text` names; an IPv4-mapped IPv6 address is its IPv4 (C116). Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text} has a zone, which means nothing on another machine")
    network = ipaddress.ip_network(text.strip(), strict=True)
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        if network.prefixlen < 96:
            raise ValueError(f"{text} spans more than the IPv4-mapped addresses")
        return ipaddress.ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
    return network


if TYPE_CHECKING:
    NetworkField = models.Field[Any, Network]
else:
    NetworkField = models.Field


class CidrField(NetworkField):
    """A network in PostgreSQL's own `cidr` type: PostgreSQL refuses host bits and compares by containment."""

    description = "IPv4 or IPv6 network"

    def db_type(self, connection: object) -> str:
        return "cidr"

    def to_python(self, value: Any) -> Network | None:
        if value is None or isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return value
        try:
            return parse_network(str(value))
        except ValueError as error:
            raise ValidationError(
                f"{value} is not an address or network. Give one like 203.0.113.7 or 203.0.113.0/28."
            ) from error

    def from_db_value(self, value: Any, expression: object, connection: object) -> Network | None:
        return self.to_python(value)

    def get_prep_value(self, value: Any) -> str | None:
        network = self.to_python(value)
        return None if network is None else str(network)
