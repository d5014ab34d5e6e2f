"""Which contacts a phone may register: none that would turn calls inward or against everybody. Pure.

A host name is not resolved: the name of a private place is refused only where the name itself says so. own_hosts
holds addresses in their shortest form and lower-case names.
"""

import re
from collections.abc import Container
from ipaddress import IPv4Address
from typing import Final

from apps.registrar.sources import IPAddress, address_of
from apps.sip.uri import SipUri

# 127.1, 0x7f.1, 2130706433: no host names (RFC 3261 §25.1 toplabel), but a resolver makes addresses of them.
_NUMBER_IN_DISGUISE: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_BROADCAST: Final = IPv4Address("255.255.255.255")


def contact_allowed(uri: SipUri, source_host: str, own_hosts: Container[str]) -> bool:
    """Whether calls may be sent to this contact. The packet's own source always may, whatever it is (F37)."""
    hosts = [uri.host]
    hosts += [value for name, value in uri.params if name == "maddr" and value]
    return all(_host_allowed(host, source_host, own_hosts) for host in hosts)


def _host_allowed(host: str, source_host: str, own_hosts: Container[str]) -> bool:
    if host == source_host:
        return True
    host, source = host.lower().rstrip("."), address_of(source_host)
    address = address_of(host)
    if address is None:
        inward = host == "localhost" or host.endswith(".localhost")
        return not (inward or host in own_hosts or _NUMBER_IN_DISGUISE.fullmatch(host))
    if address == source or _points_inward(address):
        return address == source
    return str(address) not in own_hosts or _is_this_machine(source, own_hosts)


def _is_this_machine(source: IPAddress | None, own_hosts: Container[str]) -> bool:
    """A softphone on our own machine names one of its addresses and sends from another."""
    return source is not None and (source.is_loopback or str(source) in own_hosts)


def _points_inward(address: IPAddress) -> bool:
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_link_local
        or address.is_multicast
        or address == _BROADCAST
    )
