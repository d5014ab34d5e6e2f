"""What the tables of Kamailio, OpenSIPS, Asterisk, FusionPBX and VICIdial say about users and carriers. Pure.

Must not trust a cell: whoever filled these tables took it from a form or from SIP.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.extensions.foreign.values import (
    Found,
    FoundAddress,
    FoundExtension,
    FoundTrunk,
    Row,
    Secret,
    Tables,
)
from apps.sip.digest import Algorithm

_HEX: Final = {
    Algorithm.MD5: re.compile(r"[0-9a-fA-F]{32}"),
    Algorithm.SHA256: re.compile(r"[0-9a-fA-F]{64}"),
    Algorithm.SHA512_256: re.compile(r"[0-9a-fA-F]{64}"),
}
_REALTIME: Final = re.compile(r"\^([0-9A-F]{2})")
_CALLERID: Final = re.compile(r'\s*"?([^"<]*?)"?\s*(?:<[^>]*>)?\s*')
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9*+._~!-]+")
_DIGESTS: Final = {"md5": Algorithm.MD5, "sha-256": Algorithm.SHA256, "sha-512-256": Algorithm.SHA512_256}
_ADDRESS: Final = re.compile(r"[0-9.]+(?:/[0-9.]+)?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/[0-9]+)?")
ASTERISK_REALM: Final = "asterisk"


@dataclass(frozen=True, slots=True)
class Product:
    tables: frozenset[str]
    read: Callable[[Tables], Found]


def _kamailio(tables: Tables) -> Found:
    extensions = tuple(
        FoundExtension(
            number=_text(row, "username"),
            username=_text(row, "username"),
            domain=_text(row, "domain") or None,
            secret=_secret(row, {Algorithm.MD5: "ha1", Algorithm.SHA256: "ha1"}),
        )
        for row in tables.get("subscriber", ())
    )
    addresses = [(_group(row, "tag"), _masked(row, "ip_addr", "any")) for row in tables.get("address", ())]
    addresses += [
        (_group(row, "tag"), _address(_text(row, "src_ip"), None, _text(row, "proto") or "any"))
        for row in tables.get("trusted", ())
    ]
    return Found(extensions, _trunks(addresses))


def _opensips(tables: Tables) -> Found:
    columns = {
        Algorithm.MD5: "ha1",
        Algorithm.SHA256: "ha1_sha256",
        Algorithm.SHA512_256: "ha1_sha512t256",
    }
    extensions = tuple(
        FoundExtension(
            number=_text(row, "username"),
            username=_text(row, "username"),
            domain=_text(row, "domain") or None,
            secret=_secret(row, columns),
        )
        for row in tables.get("subscriber", ())
    )
    addresses = [
        (_group(row, "context_info"), _masked(row, "ip", _text(row, "proto") or "any", _text(row, "pattern")))
        for row in tables.get("address", ())
    ]
    return Found(extensions, _trunks(addresses))


def _asterisk(tables: Tables) -> Found:
    auths = {_decoded(row, "id"): row for row in tables.get("ps_auths", ())}
    aors = {_decoded(row, "id"): row for row in tables.get("ps_aors", ())}
    trusted = [
        (_decoded(row, "endpoint"), _matched(part.strip()))
        for row in tables.get("ps_endpoint_id_ips", ())
        for part in _decoded(row, "match").split(",")
    ]
    carriers = {name for name, _ in trusted}
    extensions = tuple(
        _endpoint(row, auths, aors)
        for row in tables.get("ps_endpoints", ())
        if _decoded(row, "id") not in carriers
    )
    return Found(extensions, _trunks(trusted))


def _endpoint(row: Row, auths: dict[str, Row], aors: dict[str, Row]) -> FoundExtension:
    number = _decoded(row, "id")
    names = [name.strip() for name in _decoded(row, "auth").split(",") if name.strip()]
    auth = auths.get(names[0], {}) if names else {}
    most = _number(aors.get(_decoded(row, "aors").split(",")[0], {}), "max_contacts")
    named = _CALLERID.fullmatch(_decoded(row, "callerid"))
    return FoundExtension(
        number=number,
        username=_decoded(auth, "username") or number,
        display_name=named[1].strip() if named else "",
        secret=_asterisk_secret(auth),
        # 0 means "no registration at all" there.
        max_contacts=min(most, 20) if most else None,
        notes=("of several auths the first is taken",) if len(names) > 1 else (),
    )


def _asterisk_secret(auth: Row) -> Secret:
    realm = _decoded(auth, "realm") or ASTERISK_REALM
    ha1s = {}
    for part in _decoded(auth, "password_digest").split(","):
        name, _, digest = part.strip().partition(":")
        if (algorithm := _DIGESTS.get(name.lower())) is not None and _HEX[algorithm].fullmatch(digest):
            ha1s[algorithm] = digest.lower()
    if _HEX[Algorithm.MD5].fullmatch(_decoded(auth, "md5_cred")):
        ha1s.setdefault(Algorithm.MD5, _decoded(auth, "md5_cred").lower())
    return Secret(_decoded(auth, "password") or None, ha1s, realm)


def _fusionpbx(tables: Tables) -> Found:
    domains = {_text(row, "domain_uuid"): _text(row, "domain_name") for row in tables.get("v_domains", ())}
    lists = {
        _text(row, "access_control_uuid"): _text(row, "access_control_name")
        for row in tables.get("v_access_controls", ())
    }
    extensions = tuple(
        FoundExtension(
            number=_text(row, "extension"),
            username=_text(row, "extension"),
            domain=domains.get(_text(row, "domain_uuid")) or _text(row, "user_context") or None,
            display_name=_text(row, "effective_caller_id_name"),
            enabled=_text(row, "enabled").lower() in ("true", "t", "1"),
            secret=Secret(row.get("password") or None),
            max_contacts=min(_number(row, "max_registrations"), 20) or None,
            problem="its domain is not in v_domains"
            if domains and _text(row, "domain_uuid") not in domains
            else "",
            notes=("its address limit (cidr) is not taken over",) if _text(row, "cidr") else (),
        )
        for row in tables.get("v_extensions", ())
    )
    allowed = [
        (
            lists.get(_text(row, "access_control_uuid")) or "carriers",
            _address(_text(row, "node_cidr"), None, "any"),
        )
        for row in tables.get("v_access_control_nodes", ())
        if _text(row, "node_type").lower() == "allow"
    ]
    return Found(extensions, _trunks(allowed))


def _vicidial(tables: Tables) -> Found:
    extensions = []
    seen: set[str] = set()
    for row in tables.get("phones", ()):
        number, protocol = _text(row, "extension"), _text(row, "protocol").upper() or "SIP"
        problem = ""
        if protocol not in ("SIP", "PJSIP"):
            problem = f"its protocol is {protocol[:20]!a}, not SIP"
        elif number in seen:
            problem = "it is on another server, too"
        seen.add(number)
        extensions.append(
            FoundExtension(
                number=number,
                username=number,
                display_name=_text(row, "fullname"),
                enabled=_text(row, "active").upper() != "N",
                secret=Secret(row.get("conf_secret") or None),
                problem=problem,
            )
        )
    carriers = [
        (_text(row, "carrier_id"), address)
        for row in tables.get("vicidial_server_carriers", ())
        if _text(row, "active").upper() != "N"
        for address in _hosts(_text(row, "account_entry"))
    ]
    return Found(tuple(extensions), _trunks(carriers))


def _hosts(account_entry: str) -> Iterator[FoundAddress]:
    """The addresses of a peer as sip.conf has them."""
    port: int | None = None
    hosts = []
    for line in account_entry.splitlines():
        name, _, value = (part.strip() for part in line.partition(";")[0].partition("="))
        if name.lower() in ("host", "permit"):
            hosts.append(value.lstrip("> "))
        elif name.lower() == "port" and value.isascii() and value.isdecimal():
            port = int(value)
    for host in dict.fromkeys(hosts):
        if host.lower() == "dynamic":
            yield FoundAddress(host, problem="it registers with a password; addresses alone are taken over")
        else:
            yield _address(host, port if port != 5060 else None, "any")


def _trunks(addresses: Iterable[tuple[str, FoundAddress]]) -> tuple[FoundTrunk, ...]:
    """One trunk for each name, in the order they come; what a name of ours may not have becomes "-"."""
    named: dict[str, list[FoundAddress]] = {}
    for name, address in addresses:
        usual = _NOT_A_NAME.sub("-", name).strip("-")[:64] or "carrier"
        known = named.setdefault(usual, [])
        if address not in known:
            known.append(address)
    return tuple(FoundTrunk(name, tuple(found)) for name, found in named.items())


def _group(row: Row, column: str) -> str:
    return _text(row, column) or f"group-{_text(row, 'grp') or '1'}"


def _masked(row: Row, column: str, transport: str, pattern: str = "") -> FoundAddress:
    mask = _text(row, "mask")
    port = _number(row, "port") or None
    return _address(f"{_text(row, column)}/{mask}" if mask else _text(row, column), port, transport, pattern)


def _matched(match: str) -> FoundAddress:
    return _address(match, None, "any")


def _address(network: str, port: int | None, transport: str, pattern: str = "") -> FoundAddress:
    transport = transport.lower()
    problem = ""
    if not _ADDRESS.fullmatch(network):
        problem = "it is no address; give the addresses the name stands for"
    elif pattern:
        problem = "it is trusted for some From addresses only, and here an address is trusted as a whole"
    elif transport not in ("any", "udp", "tcp", "tls"):
        problem = f"the transport {transport[:10]!a} cannot be trusted alone"
    return FoundAddress(network, port, transport, problem)


def _secret(row: Row, columns: dict[Algorithm, str]) -> Secret:
    """The password if it stands in the clear, else the hashes whose length says what they are."""
    ha1s = {
        algorithm: _text(row, column).lower()
        for algorithm, column in columns.items()
        if _HEX[algorithm].fullmatch(_text(row, column))
    }
    return Secret(row.get("password") or None, ha1s, _text(row, "domain") or None)


def _number(row: Row, column: str) -> int:
    text = _text(row, column)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _decoded(row: Row, column: str) -> str:
    return _REALTIME.sub(lambda match: chr(int(match[1], 16)), _text(row, column))


def _text(row: Row, column: str) -> str:
    return (row.get(column) or "").strip()


PRODUCTS: Final = {
    "kamailio": Product(frozenset({"subscriber", "address", "trusted"}), _kamailio),
    "opensips": Product(frozenset({"subscriber", "address"}), _opensips),
    "asterisk": Product(frozenset({"ps_endpoints", "ps_auths", "ps_aors", "ps_endpoint_id_ips"}), _asterisk),
    "fusionpbx": Product(
        frozenset({"v_extensions", "v_domains", "v_access_controls", "v_access_control_nodes"}), _fusionpbx
    ),
    "vicidial": Product(frozenset({"phones", "vicidial_server_carriers"}), _vicidial),
}
